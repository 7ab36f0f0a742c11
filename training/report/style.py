"""What a report's page has of its own, beside the style of all pages."""

CSS = """
:root { --c0: #3b78c2; --c1: #c8761a; --c2: #2e9e5b; --c3: #d0453e; --c4: #8d63c9; --c5: #cf5f9f;
  --c6: #1f9aa8; --c7: #8f7a3a; --grey: #9aa4b0; }
main { overflow-wrap: break-word; } section { margin: 2.2rem 0; }
h2 { border-bottom: 1px solid var(--line); padding-bottom: .2rem; } h3 { font-size: 1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 0; }
dt { color: var(--note); } dd { margin: 0; overflow-wrap: anywhere; }
pre { background: var(--soft); padding: .6rem; overflow-x: auto; border-radius: 4px; }
.note, .legend { font-size: .85rem; margin: .3rem 0; max-width: 46rem; }
.problem { color: var(--error); overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(130px, 1fr)); gap: .5rem; }
.tiles div { background: var(--soft); border-radius: 4px; padding: .4rem .6rem; font-size: .8rem; }
.tiles b { display: block; font-size: 1.15rem; }
.wide { overflow: auto; max-height: 52rem; margin: .5rem 0; }
td { white-space: nowrap; }
.prose { text-align: left; min-width: 6rem; overflow-wrap: anywhere; white-space: normal; }
thead th { background: var(--soft); position: sticky; top: 0; }
th:first-child, th.prose { text-align: left; } tbody th { text-align: left; font-weight: 500; }
td[style] { background: color-mix(in srgb, var(--c0) calc(var(--share) * .75), transparent); }
td.none { color: var(--grey); }
.matrix thead th { vertical-align: bottom; }
.matrix thead span { writing-mode: vertical-rl; transform: rotate(180deg); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr));
  gap: 1rem; } figure.chart { max-width: 520px; } .chart svg { width: 100%; height: auto; }
.chart h3 { margin: .2rem 0; } .grid { stroke: var(--line); stroke-width: 1; fill: none; }
.line { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round; }
.line.faint { stroke-width: 1.2; } .line.strong { stroke-width: 3; }
.line.guide { stroke-dasharray: 5 4; stroke-width: 1.2; }
.dot { fill: var(--c); } .column { fill: var(--c); opacity: .45; }
.c0 { --c: var(--c0); } .c1 { --c: var(--c1); } .c2 { --c: var(--c2); } .c3 { --c: var(--c3); }
.c4 { --c: var(--c4); } .c5 { --c: var(--c5); } .c6 { --c: var(--c6); } .c7 { --c: var(--c7); }
.faint, .guide { --c: var(--grey); } .strong { --c: var(--fg); }
.legend span { margin-right: .8rem; white-space: nowrap; } .legend i { color: var(--c); }
.pics { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); }
figure.case { max-width: 520px; } .two { display: flex; gap: .3rem; line-height: 0; }
.two img { width: 50%; object-fit: contain; background: var(--soft); }
.truth, .under { fill: none; stroke: #fff; stroke-width: 1.6; stroke-dasharray: 5 4; }
.under { stroke: #000; stroke-width: 2.6; stroke-dasharray: none; opacity: .45; }
"""
