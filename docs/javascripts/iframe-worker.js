// Search without a server. A browser starts no worker from a file, so the search runs in a hidden frame, which speaks
// as a worker would. Pages that a server gives do not need this.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.srcdoc = "<!doctype html>";
      this.ready = new Promise(resolve => {
        frame.addEventListener("load", () => {
          const inside = frame.contentWindow;
          inside.postMessage = told => this.dispatchEvent(new MessageEvent("message", { data: told }));
          const script = inside.document.createElement("script");
          script.src = url;
          script.addEventListener("load", () => resolve(frame));
          inside.document.body.append(script);
        }, { once: true });
      });
      document.body.append(frame);
    }
    postMessage(told) {
      this.ready.then(frame => frame.contentWindow.dispatchEvent(new MessageEvent("message", { data: told })));
    }
    terminate() {}
  };
}
