import { QueryClientProvider } from "@tanstack/react-query";
import { ServerCrash } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { errorText } from "@/api/client";
import { createQueryClient } from "@/api/query";
import { useMe } from "@/api/session";
import { Mark } from "@/components/shell/mark";
import { Shell } from "@/components/shell/shell";
import { Button } from "@/components/ui/button";
import { Notice } from "@/components/ui/notice";
import { TooltipProvider } from "@/components/ui/tooltip";
import { Login } from "@/pages/login";

// the style guide is no part of a build for production
const StylePage = import.meta.env.DEV ? lazy(() => import("@/pages/style-page")) : undefined;

const Register = lazy(() => import("@/pages/register"));

/** Where somebody who is not logged in comes in. */
function Outside() {
  if (location.pathname !== "/register") return <Login />;
  return (
    <Suspense>
      <Register />
    </Suspense>
  );
}

/** The login page or the shell, depending on whether somebody is logged in. */
function Door() {
  const me = useMe();
  if (me.isPending) {
    return (
      <div role="status" className="flex h-full items-center justify-center">
        <Mark className="size-9 animate-pulse-soft" />
        <span className="sr-only">Loading</span>
      </div>
    );
  }
  if (me.isError) {
    return (
      <main className="h-full">
        <Notice icon={ServerCrash} title="Sidetone does not answer" text={errorText(me.error)}>
          <Button variant="outline" onClick={() => void me.refetch()}>
            Try again
          </Button>
        </Notice>
      </main>
    );
  }
  return me.data === null ? (
    <Outside />
  ) : (
    <Shell key={`${me.data.id} ${me.data.clientId}`} me={me.data} />
  );
}

export function App() {
  const [client] = useState(createQueryClient);
  return (
    <QueryClientProvider client={client}>
      <TooltipProvider delayDuration={250}>
        {StylePage !== undefined && location.pathname === "/style" ? (
          <Suspense>
            <StylePage />
          </Suspense>
        ) : (
          <Door />
        )}
      </TooltipProvider>
    </QueryClientProvider>
  );
}
