'use strict';
const $ = id => document.getElementById(id);
const data = JSON.parse($('data').textContent);
const T = data.words, E = data.evidence, KO = data.lang === 'ko';
const PAGE = 50;

// ---- small things --------------------------------------------------------

function el(tag, attributes = {}, ...children) {
  const svg = ['svg', 'rect', 'line', 'circle', 'text', 'title', 'defs', 'pattern', 'path', 'g'].includes(tag);
  const node = svg ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'on') for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== ''));
  return node;
}
const said = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const count = number => number.toLocaleString(data.lang);
const moment = new Intl.DateTimeFormat('sv-SE', { timeZone: E.timezone, dateStyle: 'short', timeStyle: 'medium' });
const day = new Intl.DateTimeFormat('sv-SE', { timeZone: E.timezone, dateStyle: 'short' });
const at = text => text ? moment.format(new Date(text)) : '–';
const on = text => text ? day.format(new Date(text)) : '–';
const sum = values => values.reduce((total, value) => total + value, 0);
const hex = bytes => Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');
const base64 = bytes => btoa(String.fromCharCode(...bytes));
const unbase64 = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
const same = (a, b) => {
  a ??= null; b ??= null;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every(key => same(a[key], b[key]));
};

// ---- the data ------------------------------------------------------------

const { columns, pooled, pool, rows } = data.destructions;
const column = Object.fromEntries(columns.map((name, place) => [name, place]));
const isPooled = columns.map(name => pooled.includes(name));
const of = (row, name) => isPooled[column[name]] ? pool[row[column[name]]] : row[column[name]];
const whole = row => Object.fromEntries(columns.map(name => [name, of(row, name)]));

const rowOf = new Map(rows.map(row => [row[column.seq], row]));
const RANK = ['PASS', 'UNKNOWN', 'FAIL'];
const worst = verdicts => RANK[Math.max(...verdicts.map(verdict => RANK.indexOf(verdict)))];
const policies = new Map(E.policies.map(policy => [policy.digest, policy]));
const rules = new Map(E.policies.flatMap(policy => policy.rules.map(rule => [rule.id, rule])));
const ruleName = id => { const rule = rules.get(id); return rule ? rule[data.lang] || rule.id : id ?? '–'; };
const BADGE = { PASS: ['good', '✓'], UNKNOWN: ['doubt', '?'], FAIL: ['bad', '✕'] };
function badge(verdict) {
  const [kind, sign] = BADGE[verdict];
  return el('span', { class: 'badge ' + kind }, `${sign} ${T['verdict_' + verdict.toLowerCase()]}`);
}
function lateness(seconds) {
  if (!seconds) return el('span', { class: 'badge good' }, '✓ ' + T.in_time);
  const hours = Math.ceil(seconds / 3600);
  const text = hours < 48 ? said(T.late_hours, { n: hours }) : said(T.late_days, { n: Math.ceil(hours / 24) });
  return el('span', { class: 'badge bad' }, '! ' + text);
}
const records = map => Object.entries(map).map(([name, n]) => `${ruleName(name)} ${count(n)}`).join(', ');
const fieldNames = fields => Object.entries(fields).map(([table, names]) => `${table}: ${names.join(', ')}`).join('; ');

// ---- head ------------------------------------------------------------

$('lead').textContent = said(T.lead, { from: E.period.from, to: E.period.to, origin: E.origin, zone: E.timezone });
$('made').textContent = said(T.made, { at: at(data.made), version: data.version, entries: count(data.size) });
$('simulation').hidden = !E.simulation;

// ---- summary ------------------------------------------------------------

const total = name => sum(rows.map(row => of(row, name)));
const withVerdict = verdict => rows.filter(row => of(row, 'verdict') === verdict).length;
const late = rows.filter(row => of(row, 'late_seconds') > 0).length;
const overdue = sum(data.overdue.map(item => item.records));
const cards = [
  [T.card_records, total('records')], [T.card_operations, rows.length], [T.card_manual, E.manual.length],
  [T.card_completed, withVerdict('PASS')], [T.card_unproven, withVerdict('UNKNOWN'), true],
  [T.card_failed, withVerdict('FAIL'), true], [T.card_late, late, true], [T.card_overdue, overdue, true],
  [T.card_holds, E.holds.filter(item => !item.lifted).length], [T.card_accesses, E.accesses.length], [T.card_refusals, E.refusals.length], [T.card_open, E.open.length, true],
];
$('cards').append(...cards.map(([name, n, note]) =>
  el('div', { class: note && n ? 'note' : null }, el('dt', {}, name), el('dd', {}, (note && n ? '! ' : '') + count(n)))));

// Fills differ by pattern as well as by colour.
const HUES = [212, 28, 150, 280, 350, 60, 185, 320];
const STRIPES = ['', 'M0 8L8 0', 'M0 4H8', 'M4 0V8', 'M0 0L8 8', 'M0 4H8M4 0V8', 'M2 2h2v2h-2z', 'M0 8L8 0M0 0L8 8'];
function swatches(ids) {
  return el('defs', {}, ids.map((id, place) => el('pattern', { id: 'fill' + place, width: 8, height: 8, patternUnits: 'userSpaceOnUse' },
    el('rect', { width: 8, height: 8, fill: `hsl(${HUES[place % 8]} 52% 52%)` }),
    STRIPES[place % 8] && el('path', { d: STRIPES[place % 8], stroke: '#fff', 'stroke-opacity': .6, 'stroke-width': 1.4, fill: 'none' }))));
}
(function plot() {
  const months = new Map();
  for (const row of rows) {
    const month = on(of(row, 'time')).slice(0, 7), rule = of(row, 'rule');
    const bar = months.get(month) ?? months.set(month, new Map()).get(month);
    bar.set(rule, (bar.get(rule) ?? 0) + of(row, 'records'));
  }
  const caption = el('figcaption', {}, T.plot_title);
  if (!months.size) { $('plot').append(caption, el('p', { class: 'empty' }, T.nothing)); return; }
  const names = [...months.keys()].sort();
  for (let [year, month] = names[0].split('-').map(Number), last = names.at(-1); ;) {
    const name = `${year}-${String(month).padStart(2, '0')}`;
    if (!months.has(name)) months.set(name, new Map());
    if (name >= last) break;
    if (++month > 12) { month = 1; year++; }
  }
  const all = [...months.keys()].sort();
  const ids = [...new Set(rows.map(row => of(row, 'rule')))].sort();
  const height = 190, step = Math.max(26, Math.min(72, 640 / all.length)), left = 64;
  const width = Math.max(320, left + all.length * step + 16);
  const most = Math.max(1, ...all.map(month => sum([...months.get(month).values()])));
  const svg = el('svg', { viewBox: `0 0 ${width} ${height + 44}`, width, height: height + 44, role: 'img', 'aria-label': T.plot_title }, swatches(ids));
  for (const share of [0, .5, 1]) {
    const y = height - share * (height - 20);
    svg.append(el('line', { x1: left, x2: width, y1: y, y2: y, stroke: 'currentColor', 'stroke-opacity': .18 }),
      el('text', { x: left - 8, y: y + 4, 'text-anchor': 'end' }, count(Math.round(most * share))));
  }
  all.forEach((month, place) => {
    let y = height;
    const x = left + place * step + step * .15;
    ids.forEach((id, fill) => {
      const n = months.get(month).get(id);
      if (!n) return;
      const tall = Math.max(1, n / most * (height - 20));
      y -= tall;
      svg.append(el('rect', { x, y, width: step * .7, height: tall, fill: `url(#fill${fill})` },
        el('title', {}, `${month} · ${ruleName(id)}: ${count(n)}`)));
    });
    if (all.length < 14 || place % Math.ceil(all.length / 12) === 0) {
      svg.append(el('text', { x: x + step * .35, y: height + 18, 'text-anchor': 'middle' }, month.slice(2).replace('-', '.')));
    }
  });
  const legend = el('ul', { class: 'legend' }, ids.map((id, fill) => el('li', {},
    el('svg', { width: 14, height: 14, 'aria-hidden': 'true' }, el('rect', { width: 14, height: 14, rx: 3, fill: `url(#fill${fill})` })), ruleName(id))));
  const table = makeTable([T.month, ...ids.map(ruleName)], all.map(month => [month, ...ids.map(id => count(months.get(month).get(id) ?? 0))]), ids.map((_, i) => i + 1));
  $('plot').append(caption, el('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': T.plot_title }, svg), legend,
    el('details', {}, el('summary', {}, T.as_table), el('div', { class: 'scroll' }, table)));
})();

// ---- tables ------------------------------------------------------------

function makeTable(heads, lines, numbers = []) {
  const cell = (content, place) => el('td', { 'data-label': heads[place], class: numbers.includes(place) ? 'number' : null }, el('span', {}, content));
  return el('table', { class: 'stack' },
    el('thead', {}, el('tr', {}, heads.map((head, place) => el('th', { scope: 'col', class: numbers.includes(place) ? 'number' : null }, head)))),
    el('tbody', {}, lines.map(line => el('tr', {}, line.map(cell)))));
}

const dates = ({ first, last }) => first === last ? el('span', { class: 'nowrap' }, first)
  : [el('span', { class: 'nowrap' }, first), ' ~ ', el('span', { class: 'nowrap' }, last)];

// Event, due, latest and the destruction on one line, in proportion.
function timeline(item, wide) {
  const width = wide ? 520 : 130, height = wide ? 64 : 22, y = wide ? 26 : 11;
  const points = [[Date.parse(item.first + 'T00:00Z'), T.event], [Date.parse(item.due), T.due], [Date.parse(item.latest), T.latest], [Date.parse(item.time), T.done]];
  if (points.some(([time]) => Number.isNaN(time))) return '';
  const order = [...new Set(points.map(([time]) => time))].sort((a, b) => a - b);
  // The long wait before the due instant would squeeze everything after it.
  const x = time => 8 + (width - 16) * (order.length < 2 ? 0 : order.indexOf(time) / (order.length - 1));
  const label = points.map(([time, name]) => `${name} ${day.format(time)}`).join(', ');
  const svg = el('svg', { viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': label, style: 'max-width:100%' }, el('title', {}, label));
  const inTime = !item.late_seconds;
  svg.append(el('line', { x1: 8, x2: width - 8, y1: y, y2: y, stroke: 'currentColor', 'stroke-opacity': .35, 'stroke-width': 2 }),
    el('line', { x1: x(points[1][0]), x2: x(points[2][0]), y1: y, y2: y, stroke: 'currentColor', 'stroke-width': 5, 'stroke-opacity': .4 }));
  points.forEach(([time, name], place) => {
    const px = x(time);
    if (place === 3) svg.append(el('path', { d: `M${px - 6} ${y - 6}L${px + 6} ${y + 6}M${px - 6} ${y + 6}L${px + 6} ${y - 6}`, stroke: inTime ? 'var(--good)' : 'var(--bad)', 'stroke-width': 3 }));
    else svg.append(el('circle', { cx: px, cy: y, r: 4, fill: 'var(--paper)', stroke: 'currentColor', 'stroke-width': 2 }));
    if (wide) {
      const anchor = px < 40 ? 'start' : px > width - 40 ? 'end' : 'middle';
      svg.append(el('text', { x: px, y: place === 3 ? 12 : y + 20, 'text-anchor': anchor }, name), place === 3 ? '' : el('text', { x: px, y: y + 34, 'text-anchor': anchor }, day.format(time)));
    }
  });
  return svg;
}

const filters = { text: $('search'), rule: $('by-rule'), verdict: $('by-verdict'), late: $('late') };
const option = (value, text) => el('option', { value }, text);
filters.rule.append(option('', T.all), ...[...new Set(rows.map(row => of(row, 'rule')))].sort().map(id => option(id, ruleName(id))));
filters.verdict.append(option('', T.all), ...['PASS', 'UNKNOWN', 'FAIL'].map(verdict => option(verdict, T['verdict_' + verdict.toLowerCase()])));
let found = rows, page = 0;
const haystacks = new Map();
function haystack(row) {
  const id = row[column.seq];
  if (!haystacks.has(id)) {
    const item = whole(row);
    haystacks.set(id, [item.rule, ruleName(item.rule), item.operation, '#' + item.seq, item.first, item.last, on(item.time), fieldNames(item.fields), item.actor, item.host, item.finding.reasons.join(' ')].join(' ').toLowerCase());
  }
  return haystacks.get(id);
}
function filter() {
  const words = filters.text.value.toLowerCase().split(/\s+/).filter(Boolean);
  found = rows.filter(row => (!filters.rule.value || of(row, 'rule') === filters.rule.value)
    && (!filters.verdict.value || of(row, 'verdict') === filters.verdict.value)
    && (!filters.late.checked || of(row, 'late_seconds') > 0)
    && words.every(word => haystack(row).includes(word)));
  page = 0;
  show();
}
function show(every = false) {
  const pages = Math.max(1, Math.ceil(found.length / PAGE));
  const shown = every ? found : found.slice(page * PAGE, (page + 1) * PAGE);
  $('count').textContent = said(T.found, { n: count(found.length), all: count(rows.length) });
  const heads = [T.number, T.file, T.created, T.destroyed_on, T.records, T.timeline, T.lateness, T.result, ''];
  const lines = shown.map((row, place) => {
    const item = whole(row);
    const children = sum(Object.values(item.children));
    return [count((every ? 0 : page * PAGE) + place + 1),
      [ruleName(item.rule), el('span', { class: 'sub' }, fieldNames(item.fields))],
      dates(item), [el('span', { class: 'nowrap' }, on(item.time)), el('span', { class: 'sub' }, at(item.time).slice(11))],
      [count(item.records), children ? el('span', { class: 'sub' }, `+${count(children)} ${T.children}`) : ''],
      timeline(item), lateness(item.late_seconds), badge(item.verdict),
      el('button', { type: 'button', class: 'plain', on: { click: () => certificate(item) } }, T.certificate)];
  });
  $('register-table').replaceChildren(found.length ? makeTable(heads, lines, [0, 4]) : el('p', { class: 'empty' }, T.nothing));
  const turn = (text, to) => el('button', { type: 'button', class: 'plain', disabled: to < 0 || to >= pages, on: { click: () => { page = to; show(); $('register-table').focus({ preventScroll: true }); $('register').scrollIntoView(); } } }, text);
  $('pager').replaceChildren(...pages > 1 ? [turn('«', 0), turn('‹ ' + T.before, page - 1), el('span', {}, `${count(page + 1)} / ${count(pages)}`), turn(T.after + ' ›', page + 1), turn('»', pages - 1)] : []);
}
let waiting;
filters.text.addEventListener('input', () => { clearTimeout(waiting); waiting = setTimeout(filter, 150); });
for (const input of [filters.rule, filters.verdict, filters.late]) input.addEventListener('change', filter);
$('filters').addEventListener('submit', event => event.preventDefault());
show();
// On paper there are no pages to turn, up to what a printer can be asked for.
addEventListener('beforeprint', () => { if (!document.body.classList.contains('certificate') && found.length <= 5000) show(true); });
addEventListener('afterprint', () => show());

function section(title, lead, heads, lines, numbers = []) {
  return el('section', {}, el('h2', {}, title), lead ? el('p', { class: 'small' }, lead) : '',
    lines.length ? el('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': title }, makeTable(heads, lines, numbers)) : el('p', { class: 'empty' }, T.nothing));
}
const reasons = finding => finding.reasons.length ? el('span', { class: 'sub' }, finding.reasons.join('; ')) : '';
const mono = text => el('code', {}, text);
$('sections').append(
  section(T.manual_title, T.manual_lead, [T.destroyed_on, T.file, T.method, T.amount, T.place, T.by, T.witness, T.attachment],
    E.manual.map(item => [item.destroyed, [item.what, item.fields?.length ? el('span', { class: 'sub' }, item.fields.join(', ')) : ''], item.method, `${count(item.count)} ${item.unit}`, item.place, item.by, item.witness, item.attachment ? mono(item.attachment) : '–'])),
  section(T.access_title, T.access_lead, [T.when, T.who, T.where, T.whose, T.why, T.what, T.result],
    E.accesses.map(item => [at(item.time), [item.by, el('span', { class: 'sub' }, item.actor)], item.host, mono(item.digest), item.reason, [T['access_' + item.kind], el('span', { class: 'sub' }, item.kind === 'read' ? (item.shown === null ? '' : said(T.shown, { n: count(item.shown) })) : records(item.records))], T['outcome_' + (item.outcome ?? 'open')]])),
  section(T.hold_title, T.hold_lead, [T.when, T.hold, T.scope, T.category, T.by, T.review, T.lifted],
    E.holds.map(item => [at(item.time), mono(item.hold), [[item.rule ? ruleName(item.rule) : '', item.dataset].filter(Boolean).join(' · ') || '–', item.whose ? el('span', { class: 'sub' }, mono(item.whose)) : '', item.freeze ? el('span', { class: 'sub' }, T.frozen) : ''],
      T['category_' + item.category] ?? item.category, item.by, item.review, item.lifted ? [at(item.lifted), el('span', { class: 'sub' }, `${item.lifted_by}: ${item.lift_reason}`)] : T.in_force])),
  section(T.overdue_title, said(T.overdue_lead, { at: at(data.now) }), [T.file, T.records, T.buckets, T.latest],
    data.overdue.map(item => [ruleName(item.rule), count(item.records), count(item.buckets), at(item.latest)]), [1, 2]),
  section(T.refusal_title, T.refusal_lead, [T.when, T.what, T.rule, T.limit, T.value],
    E.refusals.map(item => [at(item.time), item.what, item.rule ? ruleName(item.rule) : '–', item.limit, item.value])),
  section(T.wipe_title, T.wipe_lead, [T.when, T.location, T.method, T.tool, T.result],
    E.wipes.map(item => [at(item.time), item.tables.map(table => `${item.source}.${table}`).join(', '), item.method, item.tool, [badge(item.finding.verdict), reasons(item.finding)]])),
  section(T.residue_title, T.residue_lead, [T.when, T.location, T.rule, T.found_at, T.horizon, T.result],
    E.residues.map(item => [at(item.time), item.tables.map(table => `${item.source}.${table}`).join(', '), item.rules.map(ruleName).join(', '),
      item.locations.map(spot => el('span', { class: 'sub' }, `${spot.name}: ${T['state_' + spot.state]}${spot.found ? ` (${count(spot.found)})` : ''}${spot.until ? `, ${said(T.gone_by, { at: at(spot.until) })}` : ''}`)),
      item.closed ? T['closed_' + item.closed] : item.until ? at(item.until) : T.no_horizon, [badge(item.finding.verdict), reasons(item.finding)]])),
  section(T.open_title, T.open_lead, [T.when, T.what, T.rule, T.operation],
    E.open.map(item => [at(item.time), item.type, item.rule ? ruleName(item.rule) : '–', mono(item.id)])),
  E.handovers.length ? section(T.handover_title, T.handover_lead, [T.when, T.by, T.key_before, T.key_after],
    E.handovers.map(item => [at(item.time), item.by, mono(item.previous), mono(item.next)])) : '',
  E.pruned.length ? section(T.pruned_title, T.pruned_lead, [T.when, T.by, T.pruned_before, T.pruned_cut, T.pruned_dropped, T.pruned_kept, T.pruned_gone],
    E.pruned.map(item => [at(item.time), item.by, item.before, `#${item.cut}`, count(item.dropped), count(item.kept), item.gone ? at(item.gone) : '–']), [4, 5]) : '',
  section(T.policy_title, T.policy_lead, [T.version, T.effective, T.adopted, T.counting, T.digest],
    E.policies.map(item => [`${item.title} ${item.version}`, item.effective, at(item.adopted), item.counting ?? '–', mono(item.digest)])),
);

// ---- certificate ------------------------------------------------------------

function certificate(item) {
  const box = $('certificate');
  const policy = policies.get(item.policy);
  const rule = policy?.rules.find(rule => rule.id === item.rule);
  const list = pairs => el('dl', {}, pairs.filter(([, value]) => value !== null && value !== undefined && value !== '').map(([name, value]) => [el('dt', {}, name), el('dd', {}, value)]));
  const place = part => typeof part.location === 'string' ? T['location_' + part.location]
    : part.location.source ? `${T.location_source} ${part.location.source}` : `${T.location_residue} ${part.location.residue}`;
  const proof = el('div', {}, el('p', { class: 'small' }, T.proof_wait));
  const children = Object.entries(item.children).map(([table, n]) => `${table} ${count(n)}`).join(', ');
  const inForce = item.verdict === 'PASS';
  box.replaceChildren(
    E.simulation ? el('p', { class: 'stamp' }, 'SIMULATION') : '',
    el('h2', { id: 'certificate-title' }, T.certificate_title), el('p', { class: 'small' }, `${E.origin} · ${item.operation}`),
    el('p', {}, badge(item.verdict), ' ', el('strong', {}, inForce ? T.certificate_pass : item.verdict === 'FAIL' ? T.certificate_fail : T.certificate_unknown), inForce ? '' : reasons({ reasons: [...new Set(item.parts.flatMap(part => part.finding.reasons))] })),
    el('h3', {}, T.part_identity), list([
      [T.file, ruleName(item.rule)], [T.rule, `${item.rule}${rule?.clause ? ` (${rule.clause})` : ''}`], [T.hold, item.hold ? mono(item.hold) : null], [T.basis, rule?.basis],
      [T.policy, policy ? `${policy.title} ${policy.version}` : null], [T.digest, mono(item.policy)], [T.kinds, fieldNames(item.fields)],
      [T.records, `${count(item.records)}${children ? ` (+ ${children})` : ''}`], [T.buckets, count(item.buckets)], [T.events, `${item.first} ~ ${item.last}`]]),
    el('h3', {}, T.part_why), timeline(item, true), list([
      [T.event, rule?.event], [T.keep, rule?.keep], [T.counting, policy?.counting], [T.first_day, item.first_day], [T.last_day, item.last_day],
      [T.holidays, item.holidays ? mono(item.holidays) : null], [T.due, at(item.due)], [T.latest, at(item.latest)], [T.done, at(item.time)], [T.lateness, lateness(item.late_seconds)]]),
    el('h3', {}, T.part_how), makeTable([T.location, T.method, T.tool, T.result], item.parts.map(part => [place(part), part.method || '–', part.tool || '–', [badge(part.finding.verdict), reasons(part.finding), part.until ? el('span', { class: 'sub' }, said(T.gone_by, { at: at(part.until) })) : '']])),
    list([[T.ciphertext, `${count(item.segments)} / ${count(item.bytes)} B`]]),
    el('h3', {}, T.part_people), list([
      [T.reviewed_by, item.reviewed_by ?? T.by_schedule], [T.plan, item.plan ? mono(item.plan) : null], [T.approved_by, item.approved_by],
      [T.executed_by, `${item.actor}@${item.host}`], [T.confirmed_by, item.confirmed_by ? `${item.confirmed_by} (${at(item.confirmed)})` : T.not_confirmed]]),
    el('h3', {}, T.part_chain), list([[T.entries, `#${item.intent} → #${item.seq}`]]), proof,
    el('div', { class: 'actions' }, el('button', { type: 'button', on: { click: printOne } }, T.print), el('button', { type: 'button', class: 'plain', on: { click: () => box.close() } }, T.close)));
  box.showModal();
  box.scrollTop = 0;
  tree().then(({ levels, root }) => {
    const path = [];
    for (let level = 0, place = item.seq; level < levels.length; level++, place >>= 1) if (levels[level][place ^ 1]) path.push(levels[level][place ^ 1]);
    proof.replaceChildren(list([[T.leaf, mono(hex(levels[0][item.seq]))], [T.proof, el('pre', {}, path.map(base64).join('\n') || '–')], [T.root, mono(base64(root))]]), el('p', { class: 'small' }, T.checkpoint), el('pre', {}, data.checkpoint));
  }, error => proof.replaceChildren(el('p', { class: 'small' }, `${T.proof_missing} (${error.message})`)));
}
function printOne() {
  document.body.classList.add('certificate');
  print();
  document.body.classList.remove('certificate');
}

// ---- the ledger ------------------------------------------------------------

const leafHash = line => sha256([0], line);
const nodeHash = (left, right) => sha256([1], left, right);
const NEWLINE = new Uint8Array([10]);
const breathe = () => new Promise(resume => setTimeout(resume));

// The embedded lines, one at a time, exact bytes.
async function* embedded() {
  if (typeof DecompressionStream === 'undefined') throw Object.assign(new Error(T.no_gzip), { cannot: true });
  const stream = new Blob([unbase64($('lines').textContent.trim())]).stream().pipeThrough(new DecompressionStream('gzip'));
  const reader = stream.getReader();
  let rest = new Uint8Array(0);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    let bytes = value;
    if (rest.length) { bytes = new Uint8Array(rest.length + value.length); bytes.set(rest); bytes.set(value, rest.length); }
    let start = 0;
    for (let end; (end = bytes.indexOf(10, start)) >= 0; start = end + 1) yield bytes.subarray(start, end);
    rest = bytes.slice(start);
  }
  if (rest.length) throw new Error(T.cut);
}
// All leaves in order: a line, or the hash of one that was dropped on record.
const dropped = unbase64(data.dropped);
const number = line => JSON.parse(new TextDecoder().decode(line)).seq;
async function* leaves() {
  let size = 0, taken = 0;
  for await (const line of embedded()) {
    for (const seq = taken < dropped.length ? number(line) : size; size < seq && taken < dropped.length; size++, taken += 32) yield { hash: dropped.subarray(taken, taken + 32) };
    yield { line, hash: leafHash(line) };
    size++;
  }
  if (taken < dropped.length) throw new Error(T.cut);
}
let planted;
function tree() {
  return planted ??= (async () => {
    const hashes = [];
    for await (const { hash } of leaves()) { hashes.push(hash); if (hashes.length % 4096 === 0) await breathe(); }
    const levels = [hashes];
    while (levels.at(-1).length > 1) {
      const below = levels.at(-1), above = [];
      for (let i = 0; i < below.length; i += 2) above.push(below[i + 1] ? nodeHash(below[i], below[i + 1]) : below[i]);
      levels.push(above);
    }
    return { levels, root: levels.at(-1)[0] ?? sha256() };
  })();
}

// Grows like the ledger's own tree, and remembers the roots of sizes asked for.
class Tree {
  edge = []; size = 0; roots = new Map();
  constructor(sizes) { this.sizes = new Set(sizes); this.keep(); }
  append(hash) {
    for (let size = this.size; size % 2 === 1; size = (size - 1) / 2) hash = nodeHash(this.edge.pop(), hash);
    this.edge.push(hash);
    this.size++;
    this.keep();
  }
  keep() { if (this.sizes.has(this.size)) this.roots.set(this.size, this.root()); }
  root() { return this.edge.length ? this.edge.reduceRight((right, left) => nodeHash(left, right)) : sha256(); }
}

function parseNote(text) {
  const blank = text.lastIndexOf('\n\n');
  const body = text.slice(0, blank + 1), signatures = text.slice(blank + 2).trim().split('\n');
  const [origin, size, root] = body.split('\n');
  if (blank < 0 || !/^\d+$/.test(size ?? '') || !root) throw new Error(T.no_checkpoint);
  return { body, origin, size: Number(size), root, signatures: signatures.map(line => line.match(/^— (\S+) (\S+)$/)).filter(Boolean).map(([, name, value]) => ({ name, bytes: unbase64(value) })) };
}
function parseKey(text) {
  const [, name, id, key] = text.trim().match(/^([^\s+]+)\+([0-9a-f]{8})\+(\S+)$/) ?? [];
  const bytes = key ? unbase64(key) : [];
  if (bytes.length !== 33 || bytes[0] !== 1) throw new Error(T.no_key);
  if (hex(sha256(new TextEncoder().encode(name + '\n'), bytes).subarray(0, 4)) !== id) throw new Error(T.no_key);
  return { name, id, raw: bytes.subarray(1) };
}
// true, false, or null where this browser cannot tell.
async function signed(note, key) {
  const own = note.signatures.find(({ name, bytes }) => name === key.name && hex(bytes.subarray(0, 4)) === key.id);
  if (!own) return false;
  let imported;
  try { imported = await crypto.subtle.importKey('raw', key.raw, { name: 'Ed25519' }, false, ['verify']); } catch { return null; }
  return crypto.subtle.verify({ name: 'Ed25519' }, imported, own.bytes.subarray(4), new TextEncoder().encode(note.body));
}

// The key in force at a size, by handovers that are in the ledger's order.
function keyAt(rekeyed, key, size) {
  if (!rekeyed.length) return key;
  return parseKey(rekeyed.filter(({ seq }) => seq < size).at(-1)?.next ?? rekeyed[0].previous);
}
// Follows the handovers: the key that was pasted is one of the ledger's, and each
// key hands over in a checkpoint of this ledger that it signs together with the next.
async function followed(rekeyed, key, grown) {
  if (!rekeyed.length) return [];
  const checks = [], names = [rekeyed[0].previous, ...rekeyed.map(({ next }) => next)].map(parseKey);
  if (!names.some(own => own.name === key.name && hex(own.raw) === hex(key.raw))) return [[false, said(T.check_key_unknown, { id: key.id })]];
  for (const [number, { seq, previous, next }] of rekeyed.entries()) {
    const note = parseNote(data.handovers[number] ?? ''), [from, to] = [parseKey(previous), parseKey(next)];
    const both = [await signed(note, from), await signed(note, to)], before = rekeyed[number - 1]?.next;
    const here = note.size > seq && note.origin === E.origin && base64(grown.roots.get(note.size) ?? []) === note.root && (!before || before === previous);
    checks.push([here && !both.includes(false) ? (both.includes(null) ? null : true) : false, said(T.check_handover, { seq, from: from.id, to: to.id })]);
  }
  return checks;
}

// What this page shows, told again from the entries alone.
class Retold {
  wrong = []; keys = []; pruned = []; cases = new Map(); done = []; begun = new Map(); holds = new Map(); approved = new Map(); confirmed = new Map(); open = new Map(); wiped = new Map(); runs = new Map(); differences = 0;
  constructor() {
    this.shown = { destructions: new Map(rowOf) };
    for (const kind of ['manual', 'accesses', 'holds', 'refusals', 'wipes', 'residues', 'handovers', 'pruned']) this.shown[kind] = new Map(E[kind].map(item => [item.seq, item]));
    this.policies = new Map(E.policies.map(policy => [policy.digest + policy.adopted, policy]));
  }
  differs(text) { if (this.differences++ < 5) this.wrong.push(text); }
  within(date) { return E.period.from <= date && date <= E.period.to; }
  check(kind, seq, facts) {
    const stored = this.shown[kind].get(seq);
    const item = kind === 'destructions' && stored ? whole(stored) : stored;
    if (!item) return this.differs(said(T.left_out, { seq }));
    this.shown[kind].delete(seq);
    const key = Object.keys(facts).find(name => !same(item[name], facts[name]));
    if (key) this.differs(said(T.differs, { seq, key }));
  }
  entry(e) {
    switch (e.type) {
      case 'ledger.rekeyed': this.keys.push(e); this.check('handovers', e.seq, { time: e.time, by: e.by, previous: e.previous, next: e.next }); break;
      case 'ledger.pruned':
        if (this.pruned.at(-1)?.gone === null) this.differs(said(T.unpaired, { seq: e.seq }));
        this.pruned.push({ ...e, gone: null });
        break;
      case 'ledger.dropped': {
        const last = this.pruned.at(-1);
        if (last?.gone === null && last.cut === e.cut && last.dropped === e.lines) last.gone = e.time; else this.differs(said(T.unpaired, { seq: e.seq }));
        break;
      }
      case 'ledger.opened': if (e.origin !== E.origin || e.simulation !== E.simulation) this.differs(said(T.differs, { seq: e.seq, key: 'origin, simulation' })); break;
      case 'policy.adopted': return this.policy(e);
      case 'run.started': this.runs.set(e.run, e); break;
      case 'refused': if (this.within(on(e.time))) this.check('refusals', e.seq, { time: e.time, what: e.what, rule: e.rule, limit: e.limit, value: e.value }); break;
      case 'manual.recorded': if (this.within(e.destroyed)) { const { v, type, run, policy, ...facts } = e; this.check('manual', e.seq, facts); } break;
      case 'restore.intent': this.begun.set(e.operation, { seq: e.seq, time: e.time, by: e.by, actor: e.actor, host: e.host, digest: e.digest, reason: e.reason, records: e.records, kind: 'restored', shown: null, outcome: null }); break;
      case 'read.intent': this.begun.set(e.operation, { seq: e.seq, time: e.time, by: e.by, actor: e.actor, host: e.host, digest: e.whose, reason: e.reason, records: {}, kind: 'read', shown: null, outcome: null }); break;
      case 'restore.outcome': case 'read.outcome': this.accessed({ ...this.begun.get(e.operation), outcome: e.result, shown: e.type === 'read.outcome' ? e.records : null }); this.begun.delete(e.operation); break;
      case 'hold.placed': this.holds.set(e.hold, { seq: e.seq, time: e.time, hold: e.hold, rule: e.rule, dataset: e.dataset, whose: e.whose, category: e.category, review: e.review, freeze: e.freeze, by: e.by, placed: e.placed, lifted: null, lifted_by: null, lift_reason: null }); break;
      case 'hold.lifted': Object.assign(this.holds.get(e.hold), { lifted: e.time, lifted_by: e.by, lift_reason: e.reason }); break;
      case 'plan.approved': this.approved.set(e.plan, e.by); break;
      case 'run.confirmed': this.confirmed.set(e.confirmed, e); break;
      case 'wipe.started': for (const table of e.tables) this.wiped.set(`${e.source}.${table}`, { method: '', finding: { verdict: 'UNKNOWN', reasons: ['a wipe was begun and not finished'] } }); break;
      case 'wipe.finished':
        for (const table of e.tables) this.wiped.set(`${e.source}.${table}`, { method: e.method, tool: e.tool, finding: e.finding });
        if (this.within(on(e.time))) this.check('wipes', e.seq, { time: e.time, source: e.source, tables: e.tables, method: e.method, tool: e.tool, finding: e.finding });
        break;
      case 'residue.scanned': this.cases.set(e.case, { opened: this.cases.get(e.case)?.opened ?? e.seq, scan: e, finding: e.finding, closed: null }); break;
      case 'residue.closed': Object.assign(this.cases.get(e.case), { finding: e.finding, closed: e.by }); break;
      case 'destroy.intent': this.open.set(e.operation, { intent: e }); break;
      case 'key.destroyed': this.open.get(e.operation).keys = e; break;
      case 'ciphertext.deleted': this.open.get(e.operation).erased = e; break;
      case 'destroy.outcome': if (e.result === 'destroyed' && this.within(on(e.time))) this.destroyed(e); this.open.delete(e.operation); break;
    }
  }
  accessed(facts) { if (this.within(on(facts.time))) this.check('accesses', facts.seq, facts); }
  policy(e) {
    const view = this.policies.get(e.policy + e.time);
    const told = e.document?.rules.map(rule => [rule.id, rule.name.ko, rule.name.en, rule.keep, rule.event, rule.basis.statute ?? rule.basis]) ?? [];
    if (!view || view.title !== e.title || view.version !== e.version || !same(told, view.rules.map(rule => [rule.id, rule.ko, rule.en, rule.keep, rule.event, rule.basis]))) this.differs(said(T.differs, { seq: e.seq, key: 'policy' }));
  }
  destroyed(e) {
    const { intent, keys, erased } = this.open.get(e.operation), run = this.runs.get(e.run);
    const silent = (location, what) => ({ location, method: '', finding: { verdict: 'UNKNOWN', reasons: [`the ledger has no ${what}`] } });
    const parts = [keys ? { location: 'keys', method: keys.method, finding: keys.finding } : silent('keys', 'key.destroyed'),
      erased ? { location: 'vault', method: "ciphertext and index rows deleted, erased from the store's files, and listed again", finding: { verdict: 'PASS', reasons: [] } } : silent('vault', 'ciphertext.deleted')];
    for (const name of Object.keys(intent.fields ?? {}).sort()) {
      const wiped = this.wiped.get(name);
      parts.push(wiped ? { location: { source: name }, ...wiped } : silent({ source: name }, 'wipe of this table'));
    }
    this.done.push({ seq: e.seq, run: e.run, rule: e.rule, parts, worst: e.finding.verdict, sources: [...new Set(Object.keys(intent.fields ?? {}).sort().map(name => name.split('.')[0]))] });
    this.check('destructions', e.seq, { intent: intent.seq, operation: e.operation, run: e.run, rule: e.rule, hold: intent.hold, policy: intent.policy, fields: intent.fields ?? {}, holidays: intent.holidays,
      buckets: e.buckets, records: e.records, children: e.children, first: e.first, last: e.last, due: e.due, latest: e.latest, time: e.time, late_seconds: e.late_seconds,
      segments: intent.segments, bytes: erased?.bytes ?? 0, finding: e.finding, plan: run?.plan, reviewed_by: run?.by, approved_by: this.approved.get(run?.plan), actor: e.actor, host: e.host });
  }
  // Horizons: when what is not clean is gone, if every such place has a date.
  horizon(locations) {
    const open = locations.filter(spot => spot.state !== 'clean');
    return open.length && open.every(spot => spot.until) ? open.map(spot => spot.until).sort((a, b) => Date.parse(a) - Date.parse(b)).at(-1) : null;
  }
  lingering({ seq, rule, sources }) {
    return sources.map(source => {
      const cases = [...this.cases.values()].filter(({ opened, scan }) => scan.source === source && opened < seq && scan.rules.includes(rule)).sort((a, b) => a.scan.case < b.scan.case ? -1 : 1);
      if (!cases.length) return { location: { residue: source }, method: '', finding: { verdict: 'UNKNOWN', reasons: ['the ledger has no search of this source\u0027s files'] } };
      const open = cases.filter(({ closed }) => !closed);
      const found = cases.flatMap(({ finding, closed, scan }) => closed ? [finding] : [finding, { verdict: 'UNKNOWN', reasons: [`the case ${scan.case} is open`] }]);
      const until = open.map(({ scan }) => this.horizon(scan.locations)).filter(Boolean).sort((a, b) => Date.parse(a) - Date.parse(b)).at(-1);
      return { location: { residue: source }, method: 'files of the source searched for sampled values', finding: { verdict: worst(found.map(({ verdict }) => verdict)), reasons: [...new Set(found.flatMap(({ reasons }) => reasons))] }, ...(until ? { until } : {}) };
    });
  }
  finish() {
    for (const item of this.done) {
      const parts = [...item.parts, ...this.lingering(item)];
      const shown = rowOf.get(item.seq);
      const { by = null, time = null } = this.confirmed.get(item.run) ?? {};
      if (shown && !(of(shown, 'confirmed_by') === by && of(shown, 'confirmed') === time)) this.differs(said(T.differs, { seq: item.seq, key: 'confirmed' }));
      if (shown && !(same(of(shown, 'parts'), parts) && of(shown, 'verdict') === worst([item.worst, ...parts.map(part => part.finding.verdict)]))) this.differs(said(T.differs, { seq: item.seq, key: 'parts, verdict' }));
    }
    for (const { seq, time, by, before, cut, dropped, kept, gone } of this.pruned) this.check('pruned', seq, { time, by, before, cut, dropped, kept, gone });
    for (const facts of this.begun.values()) this.accessed(facts);
    for (const facts of this.holds.values()) if (on(facts.time) <= E.period.to && (!facts.lifted || on(facts.lifted) >= E.period.from)) this.check('holds', facts.seq, facts);
    for (const { scan, finding, closed } of this.cases.values()) {
      if (!closed || this.within(on(scan.time))) this.check('residues', scan.seq, { time: scan.time, case: scan.case, source: scan.source, rules: scan.rules, tables: scan.tables, locations: scan.locations, finding, closed, until: this.horizon(scan.locations) });
    }
    for (const items of Object.values(this.shown)) for (const seq of items.keys()) this.differs(said(T.invented, { seq }));
  }
}

$('verify-form').addEventListener('submit', async event => {
  event.preventDefault();
  const box = $('verdict'), button = $('verify-button');
  const tell = (verdict, checks) => {
    box.hidden = false;
    box.dataset.verdict = verdict;
    const sign = { true: '✓', false: '✕', null: '?' };
    box.replaceChildren(el('strong', {}, T['says_' + verdict]), el('ul', {}, checks.map(([good, text]) => el('li', {}, `${sign[good]} ${text}`))));
  };
  button.disabled = true;
  tell('running', []);
  try {
    const key = parseKey($('key').value);
    const kept = $('known').value.trim() ? parseNote($('known').value.trim() + '\n') : null;
    tell(...await verified(key, kept));
  } catch (error) {
    tell('input', [[null, error.message]]);
  } finally {
    button.disabled = false;
  }
});

async function verified(key, kept) {
  const checks = [], decoder = new TextDecoder();
  let note;
  try { note = parseNote(data.checkpoint); } catch (error) { return ['tampered', [[false, error.message]]]; }
  let sizes;
  try { sizes = data.handovers.map(text => parseNote(text).size); } catch (error) { return ['tampered', [[false, error.message]]]; }
  const grown = new Tree([note.size, kept?.size, ...sizes].filter(size => size !== undefined));
  const retold = new Retold(), cut = data.carried ? JSON.parse(data.carried).cut : 0, keptLines = [];
  try {
    for await (const { line, hash } of leaves()) {
      grown.append(hash);
      if (!line) continue;
      if (grown.size <= cut) keptLines.push(line.slice(), NEWLINE);
      const entry = JSON.parse(decoder.decode(line));
      if (entry.seq !== grown.size - 1) throw new Error(said(T.differs, { seq: grown.size - 1, key: 'seq' }));
      retold.entry(entry);
      if (grown.size % 2048 === 0) { $('verdict').firstChild.textContent = said(T.says_progress, { n: count(grown.size) }); await breathe(); }
    }
    retold.finish();
  } catch (error) {
    if (error.cannot) return ['undecided', [[null, error.message]]];
    return ['tampered', [[false, `${T.entries_damaged} (${error.message})`]]];
  }
  const root = base64(grown.root());
  checks.push([grown.size === note.size && root === note.root && note.origin === E.origin, said(T.check_root, { n: count(grown.size), root })]);
  if (dropped.length || cut) {
    const file = 'sha256:' + hex(sha256(new TextEncoder().encode(data.carried ?? ''), NEWLINE, ...keptLines));
    const saidSo = retold.pruned.find(e => e.cut === cut && e.file === file && e.kept * 2 === keptLines.length && e.cut - e.kept === dropped.length / 32);
    checks.push([Boolean(saidSo), said(saidSo ? T.check_dropped : T.check_dropped_not, { n: count(dropped.length / 32), seq: saidSo?.seq })]);
    if (saidSo?.gone === null) checks.push([null, said(T.check_dropped_open, { seq: saidSo.seq })]);
  }
  let chain, last, then;
  try {
    chain = await followed(retold.keys, key, grown);
    [last, then] = [keyAt(retold.keys, key, note.size), kept && keyAt(retold.keys, key, kept.size)];
  } catch (error) {
    return ['tampered', [...checks, [false, error.message]]];
  }
  checks.push(...chain);
  const valid = await signed(note, last);
  checks.push([valid, valid === null ? T.check_signature_not : said(T.check_signature, { name: last.name, id: last.id })]);
  checks.push([retold.differences === 0, T.check_shown], ...retold.wrong.map(text => [false, text]));
  if (kept) {
    const good = await signed(kept, then), there = grown.roots.get(kept.size);
    checks.push([good && (kept.size <= grown.size ? there !== undefined && base64(there) === kept.root : false), kept.size > grown.size ? T.check_truncated : said(T.check_known, { n: count(kept.size) })]);
  } else {
    checks.push([null, T.check_known_none]);
  }
  // Without a checkpoint from elsewhere the key's owner could have written all of it anew: said, not hidden.
  const bad = checks.some(([good]) => good === false);
  return [bad ? 'tampered' : valid === null ? 'undecided' : 'intact', checks];
}
