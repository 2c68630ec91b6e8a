// Browsers start no worker of a page that was opened from disk: the search runs in a hidden frame instead
if (location.protocol === "file:") {
  window.IFrameWorker = window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      window.answered = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      frame.hidden = true;
      frame.srcdoc = `<script>window.postMessage = (data) => parent.answered(data)<\/script><script src="${url}"><\/script>`;
      this.window = new Promise((loaded) => { frame.onload = () => loaded(frame.contentWindow); });
      document.body.append(frame);
    }

    postMessage(data) {
      this.window.then((inside) => inside.dispatchEvent(new MessageEvent("message", { data })));
    }
  };
}
