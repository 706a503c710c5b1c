"use strict";

// What textual.js leaves to the page: where to connect and how large letters are, who gets the keys, and why
// a dashboard has ended.

const USUAL_SIZE = 16;
const SMALLEST = 8;
const LARGEST = 48;

function fontSize() {
  const asked = parseInt(new URLSearchParams(location.search).get("fontsize"), 10);
  return Number.isNaN(asked) ? USUAL_SIZE : Math.min(Math.max(asked, SMALLEST), LARGEST);
}

async function whyClosed() {
  try {
    const answer = await fetch("state", { cache: "no-store" });
    return await answer.text();
  } catch {
    return "sensor-tui serve does not answer any more. Start it again, and open the address it prints.";
  }
}

addEventListener("DOMContentLoaded", () => {
  const terminal = document.getElementById("terminal");
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  terminal.dataset.sessionWebsocketUrl = `${scheme}//${location.host}/ws`;
  terminal.dataset.fontSize = fontSize();
  document.getElementById("again").addEventListener("click", () => location.reload());

  let drawn = false;
  new MutationObserver(async (_, observer) => {
    const classes = document.body.classList;
    if (!drawn && classes.contains("-first-byte")) {
      drawn = true;
      terminal.querySelector("textarea").focus();
    }
    if (classes.contains("-closed")) {
      observer.disconnect();
      document.getElementById("why").textContent = await whyClosed();
      document.getElementById("again").focus();
    }
  }).observe(document.body, { attributeFilter: ["class"] });
});
