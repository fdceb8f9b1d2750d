import { CircleCheck, LoaderCircle, OctagonAlert, PlugZap, TriangleAlert } from "lucide-react";
import { errorText } from "@/api/client";
import { useTestConnection } from "@/api/connections";
import { CopyLine } from "@/components/copy-button";
import { Card } from "@/components/page";
import { RowActs } from "@/components/row-acts";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { cn } from "@/lib/cn";
import { OUTCOME, SCHEMES, TRANSCRIBE_TEXT, transcribes, vendor } from "@/lib/connections";
import { sentence } from "@/lib/format";
import type { Connection } from "@/wire/Connection";
import type { ConnectionTest } from "@/wire/ConnectionTest";

interface Props {
  connection: Connection;
  onEdit: () => void;
  onRemove: () => void;
}

/** An account at a vendor: what is kept of it, and whether it works. */
export function ConnectionCard({ connection, onEdit, onRemove }: Props) {
  const { id, kind, name, hasCredentials, webhook, webhookUrl, streamUrls } = connection;
  const test = useTestConnection(id);
  const transcribe = transcribes(connection);
  return (
    <Card>
      <article data-testid="connection-card" className="grid gap-3 p-4">
        <div className="flex items-start gap-3">
          <div className="min-w-0 flex-1">
            <h3 className="flex items-center gap-2 font-medium">
              <span className="truncate">{name}</span>
              <Badge tone="outline">{vendor(kind).name}</Badge>
            </h3>
            <p className="text-ink-soft">
              {hasCredentials ? "Credentials are kept." : "No credentials yet."}
              {webhookUrl !== undefined && ` Webhooks: ${SCHEMES[webhook.scheme]}.`}
              {transcribe !== undefined && ` ${TRANSCRIBE_TEXT[transcribe]}`}
            </p>
          </div>
          <RowActs of={name} onEdit={onEdit} onRemove={onRemove} />
        </div>
        {webhookUrl !== undefined && webhook.scheme !== "none" && (
          <div className="grid gap-1">
            <p className="text-xs text-ink-soft">
              Where {vendor(kind).name} must send its webhooks
            </p>
            <CopyLine text={webhookUrl} what="the webhook’s address" />
          </div>
        )}
        {streamUrls !== undefined && (
          <div className="grid gap-1">
            <p className="text-xs text-ink-soft">
              Where {vendor(kind).name} must bring the sound of calls that customers begin, and of
              those that you begin. Whoever knows an address can bring calls.
            </p>
            <CopyLine text={streamUrls.inbound} what="the address for inbound calls" />
            {streamUrls.outbound !== streamUrls.inbound && (
              <CopyLine text={streamUrls.outbound} what="the address for outbound calls" />
            )}
          </div>
        )}
        <div className="flex flex-wrap items-center gap-3">
          <Button disabled={test.isPending} onClick={() => test.mutate()}>
            {test.isPending ? (
              <LoaderCircle aria-hidden className="animate-spin" />
            ) : (
              <PlugZap aria-hidden />
            )}
            Test
          </Button>
          {test.isPending && <span className="text-ink-soft">Asking {vendor(kind).name}…</span>}
          {test.isSuccess && <Answer test={test.data} />}
          {test.isError && (
            <span role="alert" className="text-bad-ink">
              {errorText(test.error)}
            </span>
          )}
        </div>
      </article>
    </Card>
  );
}

const TONES = {
  good: { icon: CircleCheck, ink: "text-good-ink" },
  warn: { icon: TriangleAlert, ink: "text-warn-ink" },
  bad: { icon: OctagonAlert, ink: "text-bad-ink" },
} as const;

function Answer({ test }: { test: ConnectionTest }) {
  const { tone, word } = OUTCOME[test.outcome];
  const { icon: Icon, ink } = TONES[tone];
  return (
    <span role="status" data-outcome={test.outcome} className="flex items-center gap-1.5">
      <Icon aria-hidden className={cn("size-4 shrink-0", ink)} />
      <span>
        <span className={cn("font-medium", ink)}>{word}.</span> {sentence(test.detail)}
        {test.latencyMs !== undefined && (
          <span className="text-ink-soft tabular-nums"> {test.latencyMs} ms</span>
        )}
      </span>
    </span>
  );
}
