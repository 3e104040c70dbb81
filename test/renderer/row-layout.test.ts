import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RowLayout } from "../../renderer/src/history/row-layout.js";

const ids = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => String(from + i));
const any = () => true;

function laidOut(count: number): RowLayout {
  const layout = new RowLayout();
  layout.setRows(ids(0, count), () => 40);
  return layout;
}

describe("where rows stand", () => {
  it("estimates what was not measured", () => {
    const layout = laidOut(10);
    layout.measure("2", 100);
    expect(layout.total).toBe(460);
    expect(layout.topOf("3")).toBe(180);
    expect(layout.topOf("nobody")).toBeNull();
  });

  it("says whether a measurement changed anything", () => {
    const layout = laidOut(3);
    expect(layout.measure("1", 40)).toBe(false);
    expect(layout.measure("1", 40.2)).toBe(false);
    expect(layout.measure("1", 64)).toBe(true);
    expect(layout.measure("gone", 64)).toBe(false);
  });

  it("renders only what touches the viewport", () => {
    const layout = laidOut(100_000);
    expect(layout.range(40 * 500 + 1, 40 * 510)).toEqual({ first: 500, last: 510 });
    expect(layout.range(-500, 1)).toEqual({ first: 0, last: 1 });
    expect(layout.range(layout.total + 900, layout.total + 1_800).first).toBe(99_999);
  });

  it("has nothing to render for an empty history", () => {
    const layout = laidOut(0);
    expect(layout.range(0, 800)).toEqual({ first: 0, last: 0 });
    expect(layout.anchor(0, 800, any)).toBeNull();
    expect(layout.total).toBe(0);
  });

  it("anchors at the first row that begins on screen, not at one cut off above it", () => {
    expect(laidOut(50).anchor(90, 400, any)).toEqual({ id: "3", offset: 30 });
  });

  it("anchors at a row that fills the viewport when none begins in it", () => {
    const layout = laidOut(5);
    layout.measure("2", 3_000);
    expect(layout.anchor(500, 400, any)).toEqual({ id: "2", offset: -420 });
  });

  it("forgets heights when the width changes, and those of rows that went", () => {
    const layout = laidOut(4);
    layout.measure("0", 90);
    layout.measure("1", 90);
    layout.setRows(["1", "2", "3"], () => 40);
    expect(layout.total).toBe(170);
    layout.setRows(["0", "1", "2", "3"], () => 40);
    expect(layout.topOf("1")).toBe(40);
    layout.forgetHeights();
    expect(layout.total).toBe(160);
  });

  it("keeps the anchor where it is when rows come above and heights settle", () => {
    const height = fc.integer({ min: 20, max: 900 });
    const cases = fc.record({
      older: fc.integer({ min: 0, max: 100 }),
      heights: fc.array(height, { minLength: 150, maxLength: 150 }),
      scrollTop: fc.integer({ min: 0, max: 1_500 }),
    });
    fc.assert(
      fc.property(cases, ({ older, heights, scrollTop }) => {
        const layout = new RowLayout();
        layout.setRows(ids(100, 150), () => 40);
        const anchor = layout.anchor(scrollTop, 500, any);
        if (!anchor) throw new Error("no anchor within the rows");
        layout.setRows(ids(100 - older, 150), () => 40);
        heights.forEach((value, i) => {
          layout.measure(String(i), value);
        });
        const now = layout.scrollTopFor(anchor);
        expect((layout.topOf(anchor.id) ?? Number.NaN) - (now ?? 0)).toBe(anchor.offset);
      }),
    );
  });
});
