// The browser's own printing, which also saves as a PDF.

document.querySelector("[data-print]").addEventListener("click", () => window.print());
