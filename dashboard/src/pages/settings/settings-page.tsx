import { Lock, ServerCrash } from "lucide-react";
import { ApiError, errorText } from "@/api/client";
import { mayRule, useRetention } from "@/api/recordings";
import { Button } from "@/components/ui/button";
import { Notice } from "@/components/ui/notice";
import { Skeleton } from "@/components/ui/skeleton";
import type { PageProps } from "@/pages/registry";
import { RecordingSettings } from "./recording-settings";

/** What an admin sets for the tenant. */
export default function SettingsPage({ me }: PageProps) {
  const retention = useRetention();
  const forbidden = retention.error instanceof ApiError && retention.error.status === 403;
  if (!mayRule(me) || forbidden) {
    return (
      <Notice icon={Lock} title="Not for your role" text="Only admins change settings. Ask one." />
    );
  }
  if (retention.isPending) {
    return (
      <div role="status" className="mx-auto grid max-w-2xl gap-4 p-6">
        <span className="sr-only">Loading the settings</span>
        <Skeleton className="h-5 w-40" />
        <Skeleton className="h-64" />
      </div>
    );
  }
  if (retention.data === undefined) {
    return (
      <Notice
        icon={ServerCrash}
        title="The settings could not be loaded"
        text={errorText(retention.error)}
      >
        <Button onClick={() => void retention.refetch()}>Try again</Button>
      </Notice>
    );
  }
  return (
    <div className="h-full overflow-y-auto">
      <div className="mx-auto max-w-2xl p-6">
        <RecordingSettings saved={retention.data} tenant={me.clientName} />
      </div>
    </div>
  );
}
