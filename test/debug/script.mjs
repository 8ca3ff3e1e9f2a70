// A program to dump: one plan of one draw.
import { tensor } from "texgrad";

const x = tensor([[1, 2, 3, 4]]);
console.log(await x.mul(x).sum().item());
