export default `
:host { display: block; height: 100%; }
ha-card { display: flex; flex-direction: column; overflow: hidden; height: 100%; }
.head { padding: 16px 16px 8px; }
h2 { margin: 0 0 4px; font-size: 1.4em; font-weight: 500; }
p { margin: 0; }
.summary, .learning { color: var(--secondary-text-color); }
.learning p, .learning summary { margin-top: 4px; }
.learning summary { cursor: pointer; }
.filters { display: flex; flex-wrap: wrap; gap: 8px; padding: 8px 16px; }
.chips { display: flex; flex-wrap: wrap; gap: 8px; border: 0; margin: 0; padding: 0; }
button, select {
  font: inherit; color: var(--primary-text-color); background: none; cursor: pointer;
  border: 1px solid var(--divider-color); border-radius: 18px; min-height: 36px; padding: 0 12px;
}
select { background: var(--ha-card-background, var(--card-background-color)); max-width: 100%; }
button[aria-pressed="true"] {
  border-color: var(--primary-color);
  background: color-mix(in srgb, var(--primary-color) 18%, transparent);
}
:focus-visible { outline: 2px solid var(--primary-color); outline-offset: 2px; }
.body { overflow-y: auto; min-height: 0; flex: 1; padding: 0 16px 16px; }
h3 {
  margin: 12px 0 4px; font-size: 1em; font-weight: 500; position: sticky; top: 0; padding: 4px 0;
  background: var(--ha-card-background, var(--card-background-color)); z-index: 1;
}
ul { list-style: none; margin: 0; padding: 0; }
li { display: flex; gap: 12px; padding: 8px 0; border-top: 1px solid var(--divider-color); }
.thumbnail {
  flex: none; width: 116px; height: 87px; padding: 0; border: 0; border-radius: 8px;
  overflow: hidden; background: var(--secondary-background-color);
  display: grid; place-items: center;
}
.thumbnail img { width: 100%; height: 100%; object-fit: cover; display: block; }
.thumbnail:disabled { cursor: default; }
.about { flex: 1; min-width: 0; display: flex; flex-direction: column; gap: 2px; }
.when { color: var(--secondary-text-color); overflow-wrap: anywhere; }
.why { overflow-wrap: anywhere; }
.outcome { display: flex; align-items: center; gap: 6px; font-weight: 500; }
.outcome ha-icon { flex: none; --mdc-icon-size: 20px; }
/* As the pictures frame it: green for relevant, red for what is suppressed. */
.relevant ha-icon { color: var(--success-color, #43a047); }
.irrelevant ha-icon { color: var(--error-color, #db4437); }
.unknown ha-icon { color: var(--warning-color); }
.thumbs { display: flex; gap: 8px; flex-wrap: wrap; margin-top: 4px; }
.thumbs button { min-width: 44px; padding: 0 10px; }
.thumbs ha-icon { --mdc-icon-size: 20px; }
.note { padding: 8px 0; color: var(--secondary-text-color); }
.fault { padding: 8px 12px; margin-top: 8px; border-radius: 8px;
  background: var(--secondary-background-color); }
.more { margin-top: 12px; width: 100%; }
dialog {
  border: 0; border-radius: 16px; padding: 16px; width: min(720px, 94vw); max-height: 92vh;
  box-sizing: border-box; overflow: auto; color: var(--primary-text-color);
  background: var(--ha-card-background, var(--card-background-color));
}
dialog::backdrop { background: rgba(0, 0, 0, 0.6); }
.bar { display: flex; align-items: flex-start; gap: 8px; justify-content: space-between; }
.stage { position: relative; width: fit-content; max-width: 100%; margin: 12px auto; background: var(--secondary-background-color);
  border-radius: 8px; overflow: hidden; }
.stage img { display: block; max-width: 100%; max-height: 55vh; }
.stage svg { position: absolute; inset: 0; width: 100%; height: 100%; }
polygon { fill: rgba(255, 255, 255, 0.35); stroke: #000; stroke-width: 2;
  vector-effect: non-scaling-stroke; }
.row { display: flex; flex-wrap: wrap; gap: 8px; margin-top: 8px; }
.details { color: var(--secondary-text-color); margin-top: 8px; overflow-wrap: anywhere; }
.primary { background: var(--primary-color); border-color: var(--primary-color);
  color: var(--text-primary-color, #fff); }
@media (max-width: 420px) {
  .thumbnail { width: 96px; height: 72px; }
  .head { padding: 12px 12px 4px; } .filters { padding: 8px 12px; }
  .body { padding: 0 12px 12px; }
}
`;
