// Offers to copy what a page shows. Without this script the text can be marked and copied by hand.
for (const button of document.querySelectorAll("button[data-copies]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const shown = document.getElementById(button.dataset.copies);
    try {
      await navigator.clipboard.writeText(shown.value);
      button.textContent = "Copied";
    } catch {
      shown.focus();
      shown.select();
      button.textContent = "Press Ctrl+C";
    }
  });
}
