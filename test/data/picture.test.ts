/** Text pictures, compared as text. */
import { describe, expect, it } from "vitest";
import { asciiDigit, confusion, sideBySide, sparkline } from "../../tools/picture.ts";

const text = (...lines: string[]) => lines.join("\n");

describe("confusion", () => {
  it("shows truth by row, guess by column, zeros as dots, and recall", () => {
    const counts = [
      [98, 0, 2],
      [0, 5, 1],
      [0, 0, 0],
    ];
    expect(confusion(counts)).toBe(
      text(
        "truth  0  1  2 recall", //
        "    0 98  .  2  98.0%",
        "    1  .  5  1  83.3%",
        "    2  .  .  .      -",
      ),
    );
  });

  it("grows its columns with the counts", () => {
    expect(confusion([[1234]])).toBe(text("truth    0 recall", "    0 1234 100.0%"));
  });

  it("refuses a table that is not square", () => {
    expect(() => confusion([[1, 2], [3]])).toThrow("confusion: row 1 has 1 counts, there are 2 classes");
  });
});

describe("asciiDigit", () => {
  it("joins two rows of pixels in one line", () => {
    expect(asciiDigit([0, 255, 0, 255, 255, 0, 128, 0], 2, 4)).toBe(text(" @", "#"));
  });

  it("uses the last row of an odd height alone", () => {
    expect(asciiDigit([0, 0, 255], 1, 3)).toBe(text("", "@"));
  });

  it("goes through the whole ramp", () => {
    const ramp = Array.from({ length: 10 }, (_, i) => Math.round((i * 255) / 9));
    expect(asciiDigit([...ramp, ...ramp], 10, 2)).toBe(" .:-=+*#%@");
  });

  it("refuses a wrong size", () => {
    expect(() => asciiDigit([1, 2, 3], 2, 2)).toThrow("asciiDigit: 3 pixels are not 2 x 2");
  });
});

describe("sparkline", () => {
  it.each([
    [[0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"],
    [[5, 5, 5], "▅▅▅"],
    [[1, NaN, 2, Infinity], "▁?█?"],
    [[], ""],
    [[NaN], "?"],
  ])("draws %j", (values, bars) => {
    expect(sparkline(values)).toBe(bars);
  });

  it("averages more values than it is wide", () => {
    expect(sparkline([0, 0, 1, 1, 4, 2], 3)).toBe("▁▃█");
  });
});

describe("sideBySide", () => {
  const a = { text: text("##", "#"), caption: "a" };
  const b = { text: "x", caption: "caption" };

  it("pads each picture to its widest line and aligns captions", () => {
    expect(sideBySide([a, b, a])).toBe(
      text(
        "##  x        ##", //
        "#            #",
        "a   caption  a",
      ),
    );
  });

  it("begins a new row where the next does not fit", () => {
    expect(sideBySide([a, a, b], 6)).toBe(
      text(
        "##  ##", //
        "#   #",
        "a   a",
        "",
        "x",
        "caption",
      ),
    );
  });

  it("gives nothing for nothing", () => {
    expect(sideBySide([])).toBe("");
  });
});
