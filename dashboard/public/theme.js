// Sets the theme before the first paint. A file of its own, because inline scripts are forbidden by
// the content security policy. src/lib/theme.ts does the same later on.
(function () {
  var chosen = null;
  try {
    chosen = localStorage.getItem("sidetone.theme");
  } catch {
    // storage may be forbidden: then the system decides
  }
  var dark =
    chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
