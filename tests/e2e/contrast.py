"""Contrast of a page's text by WCAG 2.2, computed in the browser."""

CONTRAST = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const over = (top, below) => top.slice(0, 3).map((value, i) => value * (top[3] ?? 1) + below[i] * (1 - (top[3] ?? 1)));
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((value) => value / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) layers.unshift(numbers(getComputedStyle(at).backgroundColor));
    return layers.reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const weak = [];
  for (const node of document.querySelectorAll("body *")) {
    const text = [...node.childNodes].filter((child) => child.nodeType === 3).map((child) => child.data.trim()).join("");
    const style = getComputedStyle(node);
    if (!text || !node.offsetParent || style.visibility === "hidden" || node.closest("[hidden]")) continue;
    const below = ground(node);
    const colour = numbers(style.color);
    const drawn = over([...colour.slice(0, 3), (colour[3] ?? 1) * Number(style.opacity)], below);
    const [high, low] = [luminance(drawn), luminance(below)].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const needed = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < needed) weak.push(`${text.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return weak;
}"""
