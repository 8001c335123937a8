/** Proves that a report holds what the runs say and nothing that they could smuggle in, whatever the runs are. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { reportPage } from "../../../../src/bench/report/html/page.ts";
import { markup } from "../../../../src/bench/report/html/markup.ts";
import { thinned } from "../../../../src/bench/report/html/over-time.ts";
import { linearScale, logScale, tickText } from "../../../../src/bench/report/html/scale.ts";
import { spreadLabels } from "../../../../src/bench/report/html/chart.ts";
import { matchRecords } from "../../../../src/bench/results/records.ts";
import type { Fields } from "../../../../src/bench/results/lines.ts";
import {
  type Imagined,
  type ImaginedRun,
  imagine,
  measured,
  recordedRun,
  saved,
  savedRun,
} from "../../results/support.ts";

const options = { title: null, now: new Date("2026-01-02T03:04:05Z") };

function page(imagined: readonly ImaginedRun[], withRecords = true): string {
  const { runs, records } = saved(imagined);
  return reportPage(runs, withRecords ? records : new Map(), options);
}

interface Parsed {
  readonly elements: ReadonlyMap<string, number>;
  readonly attributes: ReadonlySet<string>;
  readonly values: readonly string[];
  readonly text: string;
}

/** As a browser's parser sees it. */
function parse(html: string): Parsed {
  const elements = new Map<string, number>();
  const attributes = new Set<string>();
  const values: string[] = [];
  let text = "";
  new HTMLRewriter()
    .on("*", {
      element: (element) => {
        elements.set(element.tagName, (elements.get(element.tagName) ?? 0) + 1);
        for (const [name, value] of element.attributes) {
          attributes.add(name);
          values.push(value);
        }
      },
      text: (chunk) => void (text += chunk.text),
    })
    .transform(html);
  return { elements, attributes, values, text };
}

const usual = () => page([imagine({ failing: 5 }), imagine({ perSecond: 40, seed: "2" })]);

describe("the page", () => {
  test("needs nothing from elsewhere", () => {
    const html = usual();
    const { elements, values } = parse(html);
    for (const name of ["script", "link", "img", "iframe", "object"])
      expect(elements.has(name)).toBe(false);
    expect(values.filter((value) => /^(https?:)?\/\//.test(value))).toEqual([]);
    expect(html).not.toMatch(/url\(|@import/);
    expect(html).toContain("default-src 'none'");
  });

  test("each chart says in words what it shows; ids are unique and meant", () => {
    const html = usual();
    const charts = html.match(/<svg[^>]*>/g)!;
    expect(charts.length).toBeGreaterThan(12);
    const ids = [...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id!);
    expect(new Set(ids).size).toBe(ids.length);
    for (const svg of charts) {
      const named = /aria-labelledby="([^"]+)"/.exec(svg)![1]!.split(" ");
      expect(svg).toContain('role="img"');
      for (const id of named) expect(ids).toContain(id);
    }
    expect(html).toMatch(/<desc[^>]*>Cumulative distribution of TTFT\. 20 req\/s: median \d/);
  });

  test("holds the figures of each run, failures and all fields", () => {
    const { text } = parse(usual());
    expect(text).toMatch(/20 req\/s: 15 of 200 requests failed; latencies are of the others\./);
    expect(text).toMatch(/By request rate/);
    expect(text).toContain("dataset_source");
    expect(text).toContain("Made by servebench");
  });

  test("charts hold no number that is none", () => {
    for (const about of [
      { requests: 1 },
      { requests: 3, failing: 100 },
      { requests: 5, tokens: 1 },
      { perSecond: Infinity, ttftMs: 0, itlMs: 0 },
      { compat: "0.2.7", perSecond: 0.5 },
      { details: true },
    ] satisfies Imagined[]) {
      const html = page([imagine(about), imagine({ ...about, seed: "2" })]);
      expect(html).not.toMatch(/NaN|undefined|="-?Infinity|\[object/);
    }
  });

  test("without records there are tables and a note", () => {
    const html = page([imagine()], false);
    expect(html).toContain("No records of requests were given");
    expect(html).not.toContain("<svg");
  });

  test("lines of bench_serving with lists have distributions and no timeline", () => {
    const run = savedRun(imagine({ details: true }));
    expect(run.fields["ttfts"]).toHaveLength(200);
    const html = reportPage([run], matchRecords([run], []).records, options);
    expect(html).toContain("TTFT: share of requests within");
    expect(html).not.toContain("Over time");
    expect(html).not.toContain('<th scope="row">ttfts</th>');
  });

  test("of many runs a few are drawn, and it says so", () => {
    const runs = Array.from({ length: 20 }, (_, i) => imagine({ requests: 20, perSecond: i + 1 }));
    const html = page(runs);
    expect(html).toContain("Drawn are 6 of 20 runs.");
    expect(parse(html).elements.get("h3")).toBe(6);
  });

  test("repeated runs get their mean and interval", () => {
    const html = page(["1", "2", "3"].map((seed) => imagine({ seed })));
    expect(html).toContain("Repeated runs");
    expect(html).toMatch(/: 3 runs<\/caption>/);
    expect(html).toContain("#2");
  });
});

const hostile = [
  "<script>alert(1)</script>",
  '"><img src=x onerror=alert(1)>',
  "' onload='alert(1)",
  "</title></style></svg><script>",
  "&lt;script&gt;&#60;b&#62;",
  "]]><!-- --><?php ?>",
  "javascript:alert(1)",
  "\u202eevil\u0000\u0008\u2028",
  "${1}`\\u003cb\\u003e",
  "\ud800",
];

describe("what files hold stays text", () => {
  const inert = parse(usual());

  test.each(hostile)("%p", (text) => {
    const fields: Fields = {
      backend: text,
      model: text,
      dataset_name: text,
      dataset_source: text,
      server: text,
      command: text,
      started_at: text,
      [text]: text,
      nested: { [text]: [text] },
    };
    const run = imagine({ fields, failing: 10 });
    const html = page([run, imagine({ fields: { ...fields, model: `${text}2` }, perSecond: 3 })]);
    const { elements, attributes } = parse(html);
    expect(
      [...elements.keys()].filter(
        (name) => !inert.elements.has(name) && !["pre", "code"].includes(name),
      ),
    ).toEqual([]);
    expect([...attributes].filter((name) => !inert.attributes.has(name))).toEqual([]);
    for (const character of ["\0", "\b", "\u202e"]) expect(html).not.toContain(character);
  });

  test("any title is one", () => {
    const { runs } = saved([imagine({ requests: 2 })]);
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (title) => {
        const { elements } = parse(reportPage(runs, new Map(), { ...options, title }));
        expect(elements.get("title")).toBe(1);
        expect(elements.get("h1")).toBe(1);
        expect(elements.has("script")).toBe(false);
      }),
      { numRuns: 50 },
    );
  });

  test("records with absurd numbers draw nothing absurd", () => {
    const { runs } = saved([imagine({ requests: 30 })]);
    const number = fc.oneof(
      fc.double({ min: 0, max: 1e6 }),
      fc.constantFrom(0, -1, 1e308, NaN, Infinity),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(number, number, number), { maxLength: 30 }), (rows) => {
        const records = rows.map(([sentS, ttftS, latencyS], index) => ({
          index,
          promptLen: 1,
          outputLen: 3,
          scheduledS: 0,
          sentS,
          ttftS,
          latencyS,
          itlsS: [ttftS],
          failure: null,
        }));
        const html = reportPage(runs, new Map([[runs[0]!, measured(records)]]), options);
        expect(html).not.toMatch(/undefined|\[object/);
      }),
      { numRuns: 60 },
    );
  });
});

describe("parts", () => {
  test("markup escapes everything but markup", () => {
    const inner = markup`<b>${"<i>"}</b>`;
    expect(markup`<p title="${`"'`}">${inner}${["&", 1, null]}</p>`.text).toBe(
      '<p title="&quot;&#39;"><b>&lt;i&gt;</b>&amp;1</p>',
    );
  });

  test("a thinned timeline keeps the slowest and some of the failed", () => {
    const run = recordedRun(imagine({ requests: 5000, failing: 2 }));
    const shown = thinned(run);
    expect(shown.length).toBeWithin(200, 241);
    const { latencyS } = run.columns;
    const slowest = run
      .indices()
      .toSorted((a, b) => latencyS[b]! - latencyS[a]!)
      .slice(0, 20);
    expect(slowest.every((index) => shown.includes(index))).toBe(true);
    expect(shown.filter((index) => run.outcome(index) === "failed").length).toBeGreaterThan(50);
    expect(shown).toEqual(shown.toSorted());
  });

  test("scales have round ticks that hold the values", () => {
    const places = { from: 0, to: 100 };
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1e9, noNaN: true }), (high) => {
        const { ticks, at } = linearScale(0, high, places);
        expect(ticks.length).toBeWithin(2, 13);
        expect(ticks.at(-1)!).toBeGreaterThanOrEqual(high * 0.999);
        expect(at(0)).toBe(0);
        expect(at(high)).toBeLessThanOrEqual(100.1);
        const log = logScale(high / 1000, high, places);
        expect(log.ticks.length).toBeWithin(2, 12);
        expect(log.at(high)).toBeCloseTo(100, 6);
      }),
    );
    expect(linearScale(0, 0, places).ticks.length).toBeGreaterThan(1);
    expect([0.30000000000000004, 1500, 20_000, 3e6].map(tickText)).toEqual([
      "0.3",
      "1500",
      "20k",
      "3M",
    ]);
  });

  test("labels are moved apart and stay in order", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 200, noNaN: true }), { maxLength: 8 }),
        (heights) => {
          const placed = spreadLabels(heights, 14, 200).sort((a, b) => a - b);
          placed.forEach((height, i) => {
            if (i > 0) expect(height - placed[i - 1]!).toBeGreaterThanOrEqual(14 - 1e-9);
          });
        },
      ),
    );
  });
});
