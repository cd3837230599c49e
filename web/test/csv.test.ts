import { expect, test } from "vitest";
import { csvText } from "../src/csv";

test("cells are quoted where they must be, and unknown is empty", () => {
  expect(
    csvText([
      ["a", "b"],
      ["x, y", null],
      ['say "hi"', -3],
    ]),
  ).toBe('a,b\r\n"x, y",\r\n"say ""hi""",-3\r\n');
});

test.each(["=1+1", "+1", "-1", "@x", "\tx"])("%j is no formula", (text) => {
  expect(csvText([[text]])).toBe(`'${text}\r\n`);
});
