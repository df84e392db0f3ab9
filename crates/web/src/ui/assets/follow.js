// Follows the log of a run. Without this script the page shows it as far as it was, and is loaded again by hand.
const log = document.querySelector("pre[data-follows]");
if (log) {
  const source = new EventSource(log.dataset.follows);
  source.addEventListener("message", (event) => {
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    log.append(event.data + "\n");
    if (atEnd) log.scrollTop = log.scrollHeight;
  });
  source.addEventListener("over", () => {
    source.close();
    location.reload();
  });
}
const again = document.querySelector("[data-again]");
if (again) setTimeout(() => location.reload(), Number(again.dataset.again));
