/** The page of a participant: finds the language and the session, then lets the runner go. */

import { api, ApiError, persist } from "./api.js";
import { chooseLanguage, loadStrings, translatePage } from "./locale.js";
import { Outbox } from "./outbox.js";
import { Runner, StepError } from "./runner.js";
import { Session, TabGuard, externalIds } from "./session.js";
import { $, Shell } from "./shell.js";
import { Stage } from "./stage/stage.js";
import { Storage } from "./storage.js";
import { translator } from "./plugins/dom.js";

/** For whoever looks under the bonnet: tests, and a lab's browser console. */
const page = { ready: false };
globalThis.empaw = page;

/** Plugins of the lab, by the kind of step that they show. */
async function labPlugins() {
  const { plugins } = await persist(api.plugins).catch(() => ({ plugins: [] }));
  const modules = await Promise.all(plugins.map((url) => import(url)));
  return new Map(modules.map((module) => [module.default.info.name, module.default]));
}

async function oneTab(session, shell, t) {
  const tabs = new TabGuard(session.secret, () => shell.trouble(t("tab_moved"), false));
  const here = () => shell.ask({ title: t("tab_title"), text: t("tab_text"), yes: t("tab_here") });
  if (await tabs.taken()) while (!(await here()));
  tabs.claim();
}

/** The first step; a session that the server does not know (any more) is begun anew. */
async function firstStep(session, find, outbox, onTrouble) {
  for (let attempt = 0; ; attempt++) {
    await find();
    try {
      await outbox.flush();
      return await persist(() => api.next(session.secret), onTrouble);
    } catch (error) {
      if (error.status !== 401 || attempt) throw error;
      await session.forget();
    }
  }
}

function explain(error, shell, strings) {
  const t = translator(strings);
  if (error instanceof StepError) shell.trouble(t(error.key, error.values));
  else if (error instanceof ApiError && error.code === "full") shell.trouble(t("trouble_full"), false);
  else if (error instanceof ApiError) shell.trouble(t("trouble_session", { reason: error.message }));
  else {
    shell.trouble(t("trouble_script"));
    throw error; // into the console, with its stack
  }
}

async function main() {
  const about = await persist(api.about);
  const language = chooseLanguage(about.languages, about.language);
  const strings = await persist(() => loadStrings(api, language));
  const t = translator(strings);
  translatePage(strings, language);
  const shell = new Shell(strings);
  shell.title(about.title || t("study"));
  if (externalIds(about.ids).preview) return shell.trouble(t("preview"), false);
  try {
    await take(language, strings, shell, about.ids);
  } catch (error) {
    explain(error, shell, strings);
  }
  return undefined;
}

/** What is told while an answer waits to be taken; null: it was. */
function outboxTrouble(shell) {
  return (error) => {
    shell.banner(error ? shell.t(error.status === 0 ? "offline" : "busy_server") : null);
    if (!error) shell.notice(shell.t("online"));
  };
}

async function take(language, strings, shell, platforms) {
  let t = translator(strings);
  const storage = new Storage();
  const session = new Session(api, storage, platforms);
  const outbox = new Outbox(api, storage, outboxTrouble(shell));
  const onTrouble = () => shell.banner(t("offline_waiting"));
  const ask = () => shell.ask({ title: t("unfinished_title"), text: t("unfinished_text"), yes: t("unfinished_resume"), no: t("unfinished_new") });
  const step = await firstStep(session, () => session.find(language, { ask, onTrouble }), outbox, onTrouble);
  shell.banner(null);
  if (step.language && step.language !== language) { // begun in another language, perhaps on another device
    strings = await persist(() => loadStrings(api, step.language), onTrouble);
    translatePage(strings, step.language);
    t = shell.t = translator(strings);
  }
  await oneTab(session, shell, t);
  const stage = new Stage($("ground"), {
    clip: (id) => persist(() => api.clip(id), onTrouble).finally(() => shell.banner(null)),
    scene: (task) => persist(() => api.scene(task), onTrouble).finally(() => shell.banner(null)),
  });
  const runner = new Runner({ api, session, outbox, storage, stage, shell, strings, clock: () => session.elapsed, plugins: await labPlugins() });
  runner.onFailure = (error) => explain(error, shell, strings);
  Object.assign(page, { ready: true, runner, stage, session, outbox });
  if (session.resumed && step.kind !== "consent" && step.kind !== "done") shell.notice(t("resumed"));
  const last = await runner.run(step);
  await session.forget();
  shell.done(last);
}

main();
