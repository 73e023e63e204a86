// One symbol of the sprite, as templates make it with {% icon %}.

const SVG = "http://www.w3.org/2000/svg";
const sprite = document.querySelector('meta[name="icon-sprite"]')?.content ?? "";

export function icon(name, css = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `icon ${css}`);
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${sprite}#${name}`);
  svg.append(use);
  return svg;
}

export function setIcon(svg, name) {
  svg?.querySelector("use")?.setAttribute("href", `${sprite}#${name}`);
}
