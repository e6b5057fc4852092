// Entry of the results view in the browser: listens to the extension and keeps one view in the page.
import type { FromView, Receivers, ToView } from './protocol';
import { ResultsView, type ViewMemory } from './resultsView';

/** What VS Code gives to a webview. */
interface WebviewApi {
  postMessage(message: FromView): void;
  getState(): unknown;
  setState(state: ViewMemory): void;
}

declare function acquireVsCodeApi(): WebviewApi;

const api = acquireVsCodeApi();
const host = document.querySelector('#results');
let view: ResultsView | undefined;

const receivers: Receivers<ToView> = {
  show: (message) => {
    view = new ResultsView(message, readMemory(api.getState()), {
      send: (answer) => api.postMessage(answer),
      remember: (memory) => api.setState(memory),
    });
    host?.replaceChildren(view.root);
  },
  rows: (message) => view?.receive(message),
};

/** State of another version of this view is left aside. */
function readMemory(state: unknown): ViewMemory | undefined {
  const isOurs =
    typeof state === 'object' && state !== null && 'jobKey' in state && 'isDetailOpen' in state;
  return isOurs ? (state as ViewMemory) : undefined;
}

window.addEventListener('message', (event: MessageEvent<ToView>) => {
  switch (event.data.type) {
    case 'show':
      receivers.show(event.data);
      break;
    case 'rows':
      receivers.rows(event.data);
      break;
  }
});
window.addEventListener('keydown', (event) => view?.onKey(event));
api.postMessage({ type: 'ready' });
