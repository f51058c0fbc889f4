// Draws every plot from the JSON beside it; colours of text and grid come from the style sheet.
for (const plot of document.querySelectorAll(".plot")) {
  const figure = JSON.parse(plot.nextElementSibling.textContent);
  Plotly.newPlot(plot, figure.data, figure.layout, { displayModeBar: false, responsive: true });
}
