import { RotateCw } from "lucide-react";
import { Fragment, useState } from "react";
import { errorText } from "@/api/client";
import { useDeliveries, useReplay } from "@/api/webhooks";
import { Failed, Loading } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import {
  Table,
  TableBody,
  TableCell,
  TableHead,
  TableHeader,
  TableRow,
} from "@/components/ui/table";
import { moment, momentWithZone } from "@/lib/format";
import { serverNow } from "@/lib/ticker";
import { attemptText, deliveryStanding } from "@/lib/webhook-words";
import type { WebhookDelivery } from "@/wire/WebhookDelivery";

/** What was sent to a subscription, newest first. */
export function Deliveries({ subscriptionId }: { subscriptionId: string }) {
  const log = useDeliveries(subscriptionId);
  const rows = log.data?.pages.flatMap((page) => page.items) ?? [];
  if (log.isPending) return <Loading what="the deliveries" rows={2} />;
  if (log.data === undefined) {
    return <Failed what="The deliveries" error={log.error} onRetry={() => void log.refetch()} />;
  }
  return (
    <div data-testid="deliveries" className="border-t border-line">
      {rows.length === 0 ? (
        <p className="p-4 text-center text-ink-soft">Nothing was sent yet.</p>
      ) : (
        <Table aria-label="Deliveries">
          <TableHead>
            <TableRow>
              <TableHeader>When</TableHeader>
              <TableHeader>Of what</TableHeader>
              <TableHeader>State</TableHeader>
              <TableHeader>Last attempt</TableHeader>
              <TableHeader>
                <span className="sr-only">Acts</span>
              </TableHeader>
            </TableRow>
          </TableHead>
          <TableBody>
            {rows.map((delivery) => (
              <DeliveryRow key={delivery.id} delivery={delivery} subscriptionId={subscriptionId} />
            ))}
          </TableBody>
        </Table>
      )}
      {log.isError && (
        <p role="alert" className="px-4 py-2 text-bad-ink">
          {errorText(log.error)}
        </p>
      )}
      {log.hasNextPage && (
        <div className="border-t border-line p-2">
          <Button
            variant="quiet"
            disabled={log.isFetchingNextPage}
            onClick={() => void log.fetchNextPage()}
          >
            {log.isFetchingNextPage ? "Loading…" : "Older ones"}
          </Button>
        </div>
      )}
    </div>
  );
}

interface RowProps {
  delivery: WebhookDelivery;
  subscriptionId: string;
}

function DeliveryRow({ delivery, subscriptionId }: RowProps) {
  const replay = useReplay(subscriptionId);
  const [shown, setShown] = useState(false);
  const { tone, word } = deliveryStanding(delivery);
  return (
    <Fragment>
      <TableRow data-testid="delivery" data-state={delivery.state}>
        <TableCell>
          <time
            dateTime={delivery.createdAt}
            title={momentWithZone(delivery.createdAt)}
            className="whitespace-nowrap text-ink-soft tabular-nums"
          >
            {moment(delivery.createdAt, serverNow())}
          </time>
        </TableCell>
        <TableCell>
          <code className="font-mono text-xs">{delivery.type}</code>
          {delivery.replayOf !== undefined && <span className="text-ink-soft"> (again)</span>}
        </TableCell>
        <TableCell>
          <Badge tone={tone}>{word}</Badge>
        </TableCell>
        <TableCell className="text-ink-soft">
          {attemptText(delivery)}
          {delivery.nextAttemptAt !== undefined && delivery.state === "pending" && (
            <span title={momentWithZone(delivery.nextAttemptAt)}>
              {" "}
              · next {moment(delivery.nextAttemptAt, serverNow())}
            </span>
          )}
          {replay.isError && (
            <span role="alert" className="block text-bad-ink">
              {errorText(replay.error)}
            </span>
          )}
        </TableCell>
        <TableCell>
          <span className="flex justify-end gap-1">
            <Button variant="quiet" aria-expanded={shown} onClick={() => setShown(!shown)}>
              {shown ? "Hide" : "Show"}
            </Button>
            <Button
              variant="quiet"
              disabled={replay.isPending || delivery.state === "pending"}
              title="Send it again, with the same id"
              onClick={() => replay.mutate(delivery.id)}
            >
              <RotateCw aria-hidden />
              Replay
            </Button>
          </span>
        </TableCell>
      </TableRow>
      {shown && <Sent delivery={delivery} />}
    </Fragment>
  );
}

/** What is sent, as it is. */
function Sent({ delivery }: { delivery: WebhookDelivery }) {
  return (
    <tr>
      <td colSpan={5} className="bg-sunken px-4 py-3">
        <p className="mb-2 text-xs text-ink-soft">
          webhook-id: <code className="font-mono select-all">{delivery.messageId}</code>
        </p>
        <pre
          tabIndex={0}
          aria-label="What is sent"
          className="max-h-72 overflow-auto font-mono text-xs whitespace-pre-wrap"
        >
          {JSON.stringify(delivery.payload, null, 2)}
        </pre>
      </td>
    </tr>
  );
}
