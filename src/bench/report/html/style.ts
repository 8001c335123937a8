/** The page's looks: paper and ink by the reader's preference, on paper always light. */
const light = `
--paper:#fff;--ink:#1c1f23;--muted:#5e656e;--rule:#e4e7eb;--panel:#f6f7f9;--bad:#b3261e;
--s1:#2467a6;--s2:#c2512f;--s3:#1f8264;--s4:#7d54ad;--s5:#9a6c00;--s6:#56606b;`;
const dark = `
--paper:#14171a;--ink:#e6e8eb;--muted:#9aa3ad;--rule:#2b3036;--panel:#1c2024;--bad:#ff8a80;
--s1:#6cb0ee;--s2:#ff9670;--s3:#58cda4;--s4:#c6a5f0;--s5:#e3bb55;--s6:#b4bdc7;`;

const colours = [1, 2, 3, 4, 5, 6]
  .map(
    (i) =>
      `.line.s${i},.error.s${i},.bars .s${i}{stroke:var(--s${i})}` +
      `.dot.s${i},.area.s${i},.label.s${i}{fill:var(--s${i})}.swatch.s${i}{background:var(--s${i})}` +
      `.bar.s${i}{fill:var(--s${i});stroke:var(--s${i})}`,
  )
  .join("\n");

export const style = `
:root{color-scheme:light dark;${light}}
@media (prefers-color-scheme:dark){:root{${dark}}}
*{box-sizing:border-box}
body{margin:0 auto;padding:2.5rem 1.25rem 4rem;max-width:60rem;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
h1{font-size:1.6rem;line-height:1.25;font-weight:650;margin:0 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.15rem;font-weight:650;margin:2.75rem 0 .5rem}
h3{font-size:.95rem;font-weight:650;margin:1.5rem 0 .4rem;overflow-wrap:anywhere}
p,.note{margin:.25rem 0 1rem;color:var(--muted);max-width:46rem}
.note{font-size:.85rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.85rem}
caption{text-align:left;color:var(--muted);padding-bottom:.4rem;overflow-wrap:anywhere}
th,td{padding:.3rem .5rem;border-bottom:1px solid var(--rule);text-align:right;font-weight:400;vertical-align:top}
thead th{color:var(--muted);white-space:nowrap;vertical-align:bottom}
th:first-child{text-align:left;padding-left:0}
tbody th{white-space:nowrap}details tbody th{white-space:normal}
details td{max-width:18rem;overflow-wrap:anywhere}
.wide{overflow-x:auto;margin:.75rem 0}
.bad{color:var(--bad);font-weight:650}
.swatch{display:inline-block;width:.65em;height:.65em;border-radius:50%;margin-right:.5em}
.warnings{border-left:3px solid var(--bad);margin:1.25rem 0;padding:.35rem 0 .35rem 2rem}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,25rem),1fr));gap:1.5rem 2rem;margin:1rem 0}
.stack>svg{margin:.5rem 0}
svg.chart{display:block;width:100%;height:auto;overflow:visible}
.chart text{fill:var(--ink);font-size:11.5px}
.chart .charttitle{font-weight:650;font-size:12.5px}
.chart .tick,.chart .axis{fill:var(--muted);font-size:11px}
.axes line{stroke:var(--rule)}.axes .mark{stroke:var(--muted)}
.line{fill:none;stroke-width:1.75;stroke-linejoin:round}.dashed{stroke-dasharray:5 4}
.error{fill:none;stroke-width:1.25;opacity:.75}
.area{opacity:.14}
.bar.outlined{fill-opacity:.13;stroke-dasharray:3 2}
.chart .figure,.chart .missing{fill:var(--muted);font-size:10px}
.bars path{fill:none}.bars .wait{opacity:.32}.bars .failed{stroke:var(--bad)}
.label{paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}
${colours}
pre{background:var(--panel);border-radius:6px;padding:.7rem .9rem;margin:.4rem 0;white-space:pre-wrap;overflow-wrap:anywhere;font-size:.82rem}
summary{cursor:pointer;color:var(--muted)}
footer{margin-top:3rem;color:var(--muted);font-size:.85rem}
@media print{
:root{color-scheme:light;${light}}
body{max-width:none;padding:0;font-size:10.5pt}
h2,h3{break-after:avoid}svg.chart,tr,pre{break-inside:avoid}
.grid{grid-template-columns:1fr 1fr;gap:1rem 1.5rem}
.wide{overflow:visible}table{font-size:8pt}th,td{padding:.2rem .35rem}
details:not([open]){display:none}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
@page{margin:16mm 14mm}
}`;
