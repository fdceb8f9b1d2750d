import { useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useState } from "react";
import { Redirect, Route, Switch } from "wouter";
import { createListener, ListenerContext } from "@/audio/context";
import { unlockOnFirstGesture } from "@/audio/output";
import { useKeys } from "@/lib/keys";
import { LivePage } from "@/pages/live/live-page";
import { Connection } from "@/realtime/connection";
import { ConnectionContext } from "@/realtime/context";
import type { Me } from "@/wire/Me";
import { KeysHelp } from "./keys-help";
import { Rail } from "./rail";
import { TopBar } from "./top-bar";

const HistoryPage = lazy(() => import("@/pages/history/history-page"));
const RecordingsPage = lazy(() => import("@/pages/recordings/recordings-page"));
const SettingsPage = lazy(() => import("@/pages/settings/settings-page"));

/** What is there while somebody is logged in: one connection, one listener, the rail, the pages. */
export function Shell({ me }: { me: Me }) {
  const client = useQueryClient();
  const [connection] = useState(() => new Connection(client));
  const [listener] = useState(createListener);
  const [helpShown, setHelpShown] = useState(false);
  useEffect(() => connection.open(), [connection]);
  useEffect(() => unlockOnFirstGesture(), []);
  useEffect(() => {
    const leave = () => listener.stopAll();
    window.addEventListener("pagehide", leave);
    return () => {
      window.removeEventListener("pagehide", leave);
      leave();
    };
  }, [listener]);
  useKeys({ "?": () => setHelpShown(true) });

  return (
    <ConnectionContext value={connection}>
      <ListenerContext value={listener}>
        <div className="flex h-full">
          <Rail me={me} />
          <div className="flex min-w-0 flex-1 flex-col">
            <TopBar me={me} onHelp={() => setHelpShown(true)} />
            <main className="relative min-h-0 flex-1">
              <Suspense>
                <Switch>
                  <Route path="/live/:callId?">
                    {({ callId }) => <LivePage me={me} callId={callId} />}
                  </Route>
                  <Route path="/history/:callId?">
                    {({ callId }) => <HistoryPage callId={callId} />}
                  </Route>
                  <Route path="/recordings">
                    <RecordingsPage me={me} />
                  </Route>
                  <Route path="/settings">
                    <SettingsPage me={me} />
                  </Route>
                  <Route>
                    <Redirect to="/live" replace />
                  </Route>
                </Switch>
              </Suspense>
            </main>
          </div>
        </div>
        <KeysHelp open={helpShown} onOpenChange={setHelpShown} />
      </ListenerContext>
    </ConnectionContext>
  );
}
