// What the two charts of a country look like. Colours come from the style sheet, times from our
// own zone code: the library knows only its reader's zone and UTC, so its axis is one of plain
// numbers, and ticks and labels are ours.
import type { LineSeriesOption } from "echarts/charts";
import type { ComposeOption } from "echarts/core";
import type { GridComponentOption, TooltipComponentOption } from "echarts/components";
import type { Instant } from "../time/zones";
import type { Mark } from "./marks";
import type { BandPoint, HourChart, Point } from "./data";
import type { Scale } from "./scale";

export type ChartOption = ComposeOption<
  LineSeriesOption | GridComponentOption | TooltipComponentOption
>;

/** The colours of a theme, by the custom properties that name them. */
export interface Palette {
  line: string;
  area: string;
  lastWeek: string;
  band: string;
  grid: string;
  text: string;
  night: string;
  hatch: string;
  unseen: string;
  unseenHatch: string;
  mark: string;
  markArea: string;
  surface: string;
  font: string;
}

export function paletteOf(element: Element): Palette {
  const style = getComputedStyle(element);
  const value = (name: string) => style.getPropertyValue(name).trim();
  return {
    line: value("--chart-line"),
    area: value("--chart-area"),
    lastWeek: value("--chart-last-week"),
    band: value("--chart-band"),
    grid: value("--chart-grid"),
    text: value("--text-soft"),
    night: value("--chart-night"),
    hatch: value("--chart-hatch"),
    unseen: value("--chart-unseen"),
    unseenHatch: value("--chart-unseen-hatch"),
    mark: value("--chart-mark"),
    markArea: value("--chart-mark-area"),
    surface: value("--surface"),
    font: style.fontFamily,
  };
}

/** What both charts need. */
export interface Frame {
  from: Instant;
  to: Instant;
  ticks: Instant[];
  scale: Scale;
  palette: Palette;
  /** A tick's label. */
  label: (at: Instant) => string;
  count: (value: number) => string;
  /** The content of the tooltip at an instant. */
  tooltip: (at: Instant) => HTMLElement | null;
  narrow: boolean;
  /** What people have marked. */
  marks: readonly Mark[];
}

const FONT_SIZE = 11;

function frame(options: Frame, ticksAreDays: boolean): ChartOption {
  const { palette, scale } = options;
  return {
    animation: false,
    textStyle: { fontFamily: palette.font },
    grid: {
      left: 8,
      right: options.narrow ? 12 : 16,
      top: 14,
      bottom: 4,
      outerBoundsMode: "same",
      outerBoundsContain: "axisLabel",
    },
    tooltip: {
      trigger: "axis",
      confine: true,
      className: "chart-tooltip",
      // The look is in the style sheet; what the library would set itself is taken back.
      backgroundColor: "transparent",
      borderWidth: 0,
      padding: 0,
      transitionDuration: 0,
      axisPointer: {
        type: "line",
        snap: false,
        lineStyle: { color: palette.text, width: 1, type: "solid", opacity: 0.5 },
      },
      formatter: (items) => {
        const first = Array.isArray(items) ? items[0] : items;
        const at = (first as { axisValue?: unknown } | undefined)?.axisValue;
        const content = typeof at === "number" ? options.tooltip(at) : null;
        return content ?? "";
      },
    },
    xAxis: {
      type: "value",
      min: options.from,
      max: options.to,
      axisLine: { lineStyle: { color: palette.grid } },
      axisTick: { customValues: options.ticks, lineStyle: { color: palette.grid } },
      axisLabel: {
        customValues: options.ticks,
        color: palette.text,
        fontSize: FONT_SIZE,
        hideOverlap: true,
        align: ticksAreDays ? "left" : "center",
        formatter: (value: number) => options.label(value),
      },
      splitLine: { show: ticksAreDays, lineStyle: { color: palette.grid } },
    },
    yAxis: {
      type: "value",
      min: scale.min,
      max: scale.max,
      interval: scale.step,
      axisLabel: {
        color: palette.text,
        fontSize: FONT_SIZE,
        formatter: (value: number) => options.count(value),
      },
      splitLine: { lineStyle: { color: palette.grid } },
    },
  };
}

/** A numbered line for each mark, and an area as long as it lasts. */
function markSeries(options: Frame): LineSeriesOption[] {
  const { palette, from, to } = options;
  const lasting = options.marks.filter((mark) => mark.to !== null);
  const begun = options.marks.filter((mark) => mark.from >= from);
  return [
    bands(
      lasting.map((mark) => [Math.max(mark.from, from), Math.min(mark.to ?? to, to)] as const),
      palette.markArea,
    ),
    {
      type: "line",
      silent: true,
      data: [],
      z: 3,
      markLine: {
        silent: true,
        animation: false,
        symbol: "none",
        lineStyle: { color: palette.mark, width: 1, type: "dashed" },
        label: {
          formatter: (line) => line.name ?? "",
          position: "end",
          distance: 1,
          color: palette.mark,
          fontSize: FONT_SIZE,
          fontWeight: "bold",
        },
        data: begun.map((mark) => ({ xAxis: mark.from, name: String(mark.number) })),
      },
    },
  ];
}

/** Night as a band behind everything. */
function bands(
  ranges: readonly (readonly [Instant, Instant])[],
  color: string | HatchPattern,
): LineSeriesOption {
  return {
    type: "line",
    silent: true,
    data: [],
    markArea: {
      silent: true,
      itemStyle: { color: color as string },
      data: ranges.map(([from, to]) => [{ xAxis: from }, { xAxis: to }]),
    },
  };
}

interface HatchPattern {
  image: HTMLCanvasElement;
  repeat: "repeat";
}

const HATCH_SIZE = 7;

/** Slanted lines, for what is no full count. */
function hatch(color: string): HatchPattern {
  const image = document.createElement("canvas");
  image.width = HATCH_SIZE;
  image.height = HATCH_SIZE;
  const pen = image.getContext("2d");
  if (pen !== null) {
    pen.strokeStyle = color;
    pen.lineWidth = 1.25;
    for (const shift of [-HATCH_SIZE, 0, HATCH_SIZE]) {
      pen.beginPath();
      pen.moveTo(shift - 1, HATCH_SIZE + 1);
      pen.lineTo(shift + HATCH_SIZE + 1, -1);
      pen.stroke();
    }
  }
  return { image, repeat: "repeat" };
}

function lastWeekLine(points: readonly Point[], palette: Palette): LineSeriesOption {
  return {
    type: "line",
    silent: true,
    data: points.map((point) => [...point]),
    showSymbol: false,
    connectNulls: false,
    lineStyle: { color: palette.lastWeek, width: 1.5, type: [2, 3] },
    itemStyle: { color: palette.lastWeek },
    z: 2,
  };
}

/** What is expected, from the fewest to the middle: an area that stands on a line nobody sees. */
function bandArea(band: readonly BandPoint[], floor: number, palette: Palette): LineSeriesOption[] {
  if (band.length === 0) return [];
  const part: LineSeriesOption = {
    type: "line",
    silent: true,
    stack: "band",
    stackStrategy: "all",
    showSymbol: false,
    lineStyle: { width: 0, opacity: 0 },
    z: 1,
  };
  const low = band.map(([at, least]) => [at, Math.max(least, floor)]);
  const height = band.map(([at, least, middle]) => [
    at,
    Math.max(0, middle - Math.max(least, floor)),
  ]);
  return [
    { ...part, data: low },
    { ...part, data: height, areaStyle: { color: palette.band, opacity: 1 } },
  ];
}

/** A point between two holes has no line; it is shown as a dot. */
function lonely(points: readonly Point[]): Point[] {
  return points.filter(
    ([, value], index) =>
      value !== null &&
      (points[index - 1]?.[1] ?? null) === null &&
      (points[index + 1]?.[1] ?? null) === null,
  );
}

function dots(points: readonly Point[], color: string, size: number): LineSeriesOption {
  return {
    type: "line",
    silent: true,
    data: points.map((point) => [...point]),
    lineStyle: { width: 0, opacity: 0 },
    itemStyle: { color },
    symbol: "circle",
    symbolSize: size,
    showSymbol: true,
    showAllSymbol: true,
    z: 5,
  };
}

function mainLine(points: readonly Point[], palette: Palette, filled: boolean): LineSeriesOption {
  return {
    type: "line",
    data: points.map((point) => [...point]),
    showSymbol: false,
    connectNulls: false,
    emphasis: { disabled: true },
    lineStyle: { color: palette.line, width: 2, join: "round" },
    itemStyle: { color: palette.line },
    ...(filled ? { areaStyle: { color: palette.area, opacity: 1 } } : {}),
    z: 4,
  };
}

/** The last hours by the minute. */
export function minuteOption(
  options: Frame,
  points: readonly Point[],
  lastWeek: readonly Point[],
  holes: readonly (readonly [Instant, Instant])[],
  band: readonly BandPoint[],
): ChartOption {
  const { palette, scale } = options;
  const last = points.at(-1);
  return {
    ...frame(options, false),
    series: [
      bands(holes, hatch(palette.unseenHatch)),
      ...markSeries(options),
      ...bandArea(band, scale.min, palette),
      lastWeekLine(lastWeek, palette),
      mainLine(points, palette, scale.min === 0),
      dots(lonely(points), palette.line, 4),
      // Where the line is now.
      dots(last !== undefined && last[1] !== null ? [last] : [], palette.line, 7),
    ],
  };
}

/** Seven days by the hour. */
export function hourOption(
  options: Frame,
  chart: HourChart,
  nights: readonly (readonly [Instant, Instant])[],
): ChartOption {
  const { palette } = options;
  const unseen = chart.hours
    .filter((hour) => !hour.exact && !hour.open && !hour.closing)
    .map((hour): [Instant, Instant] => [hour.start, hour.end]);
  const running = chart.running;
  const soFar: Point[] =
    running === null ? [] : [[(running.start + running.end) / 2, running.devices]];
  return {
    ...frame(options, true),
    series: [
      bands(nights, palette.night),
      bands(unseen, hatch(palette.unseenHatch)),
      ...markSeries(options),
      bands(running === null ? [] : [[running.start, running.end]], hatch(palette.hatch)),
      lastWeekLine(chart.lastWeek, palette),
      mainLine(chart.line, palette, true),
      dots(lonely(chart.line), palette.line, 4),
      {
        ...dots(chart.lowerBounds, palette.surface, 8),
        symbol: "triangle",
        itemStyle: { color: palette.surface, borderColor: palette.unseen, borderWidth: 1.5 },
      },
      {
        ...dots(soFar, palette.surface, 8),
        itemStyle: { color: palette.surface, borderColor: palette.line, borderWidth: 2 },
      },
    ],
  };
}
