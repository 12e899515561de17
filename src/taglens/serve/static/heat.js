// Paints where a class was seen: the colours and the scale of taglens.inference.heatmap.
const COLOURS = [[0, 0, 4], [31, 12, 72], [85, 15, 109], [136, 34, 106], [186, 54, 85], [227, 89, 51], [249, 140, 10], [249, 201, 50], [252, 255, 164]];

function colour(value) {
  const place = value * (COLOURS.length - 1);
  const low = Math.min(Math.floor(place), COLOURS.length - 2);
  return COLOURS[low].map((channel, i) => channel + (COLOURS[low + 1][i] - channel) * (place - low));
}

function small(grid) {
  const rows = grid.length, columns = grid[0].length;
  const even = 1 / (rows * columns);
  const most = Math.max(...grid.flat());
  const canvas = new OffscreenCanvas(columns, rows);
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  grid.flat().forEach((weight, i) => {
    const heat = Math.min(Math.max((weight - even) / Math.max(most - even, even), 0), 1);
    image.data.set([...colour(heat), 255 * 0.85 * Math.sqrt(heat)], 4 * i);
  });
  context.putImageData(image, 0, 0);
  return canvas;
}

// box: the part of the picture that the grid covers, as shares of its sides.
export function paint(canvas, grid, [left, top, right, bottom], width, height) {
  const scale = Math.min(1, 900 / Math.max(width, height));
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(small(grid), left * canvas.width, top * canvas.height, (right - left) * canvas.width, (bottom - top) * canvas.height);
}
