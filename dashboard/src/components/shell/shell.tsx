import { useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useState } from "react";
import { Redirect, Route, Switch, useLocation } from "wouter";
import { createListener, createTalker, ListenerContext, TalkerContext } from "@/audio/context";
import { unlockOnFirstGesture } from "@/audio/output";
import { Loading } from "@/components/states";
import { useKeys } from "@/lib/keys";
import { pageAt, pagesFor } from "@/pages/registry";
import { Connection } from "@/realtime/connection";
import { ConnectionContext } from "@/realtime/context";
import type { Me } from "@/wire/Me";
import { Boundary } from "./boundary";
import { KeysHelp } from "./keys-help";
import { Rail } from "./rail";
import { TopBar } from "./top-bar";
import { TransferOffer } from "./transfer-offer";
import { useGoKeys, usePaletteKey } from "./shell-keys";

const Palette = lazy(() => import("./palette"));
const ProfileDialog = lazy(() => import("./profile-dialog"));

/** What is there while somebody is logged in: one connection, one listener, the rail, the pages. */
export function Shell({ me }: { me: Me }) {
  const client = useQueryClient();
  const [connection] = useState(() => new Connection(client));
  const [listener] = useState(createListener);
  const [talker] = useState(() => createTalker(listener, client));
  const [shown, setShown] = useState<"help" | "palette" | "profile">();
  const close = () => setShown(undefined);
  useEffect(() => connection.open(), [connection]);
  useEffect(() => talker.follow(), [talker]);
  useEffect(() => unlockOnFirstGesture(), []);
  useEffect(() => {
    const leave = () => listener.stopAll();
    window.addEventListener("pagehide", leave);
    return () => {
      window.removeEventListener("pagehide", leave);
      leave();
    };
  }, [listener]);
  useKeys({ "?": () => setShown("help") });
  useGoKeys(me);
  usePaletteKey(() => setShown((now) => (now === "palette" ? undefined : "palette")));

  return (
    <ConnectionContext value={connection}>
      <ListenerContext value={listener}>
        <TalkerContext value={talker}>
          <div className="flex h-full">
            <Rail me={me} />
            <div className="flex min-w-0 flex-1 flex-col">
              <TopBar
                me={me}
                onHelp={() => setShown("help")}
                onSearch={() => setShown("palette")}
                onProfile={() => setShown("profile")}
              />
              <main className="relative min-h-0 flex-1">
                <Pages me={me} />
              </main>
            </div>
          </div>
          <TransferOffer me={me} />
          <KeysHelp me={me} open={shown === "help"} onOpenChange={close} />
          <Suspense>
            {shown === "palette" && <Palette me={me} onClose={close} onShow={setShown} />}
            {shown === "profile" && <ProfileDialog me={me} onClose={close} />}
          </Suspense>
        </TalkerContext>
      </ListenerContext>
    </ConnectionContext>
  );
}

/** The page of the location. */
function Pages({ me }: { me: Me }) {
  const [location] = useLocation();
  return (
    <Boundary key={pageAt(location)?.to}>
      <Suspense fallback={<Loading what="the page" />}>
        <Switch>
          {pagesFor(me).map(({ to, Page }) => (
            <Route key={to} path={`${to}/:id?`}>
              {({ id }) => <Page me={me} id={id} />}
            </Route>
          ))}
          <Route>
            <Redirect to="/live" replace />
          </Route>
        </Switch>
      </Suspense>
    </Boundary>
  );
}
