import { LoaderCircle, OctagonAlert, ShieldCheck } from "lucide-react";
import { useState } from "react";
import { useVerify } from "@/api/audit";
import { errorText } from "@/api/client";
import { CopyLine } from "@/components/copy-button";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { verdictText } from "@/lib/audit-words";
import { cn } from "@/lib/cn";
import type { AuditVerdict } from "@/wire/AuditVerdict";

/** Has the log checked, and says in words what came of it. */
export function Verify() {
  const verify = useVerify();
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button
        onClick={() => {
          setOpen(true);
          verify.mutate();
        }}
      >
        <ShieldCheck aria-hidden />
        Verify the log
      </Button>
      <Dialog
        open={open}
        onOpenChange={setOpen}
        title="Verify the log"
        description="Every row is chained to the one before it, and signed checkpoints lie outside of the database."
      >
        <div className="mt-4">
          {verify.isPending && (
            <p role="status" className="flex items-center gap-2 text-ink-soft">
              <LoaderCircle aria-hidden className="size-4 animate-spin" />
              Checking every row…
            </p>
          )}
          {verify.isError && (
            <p role="alert" className="text-bad-ink">
              {errorText(verify.error)} Nothing is known about the log.
            </p>
          )}
          {verify.isSuccess && <Verdict verdict={verify.data} />}
        </div>
      </Dialog>
    </>
  );
}

function Verdict({ verdict }: { verdict: AuditVerdict }) {
  const { title, text } = verdictText(verdict);
  const Icon = verdict.ok ? ShieldCheck : OctagonAlert;
  const ink = verdict.ok ? "text-good-ink" : "text-bad-ink";
  const { disagreement } = verdict;
  return (
    <div role="status" data-testid="verdict" data-ok={verdict.ok} className="grid gap-3">
      <div className="flex items-start gap-2">
        <Icon aria-hidden className={cn("mt-0.5 size-4 shrink-0", ink)} />
        <div>
          <h3 className={cn("font-medium", ink)}>{title}</h3>
          <p>{text}</p>
        </div>
      </div>
      {disagreement !== undefined && (
        <p className="rounded-md bg-bad-soft px-3 py-2 text-bad-ink">
          At place {disagreement.seq}: {disagreement.detail}
        </p>
      )}
      <div className="grid gap-1">
        <p className="text-xs text-ink-soft">
          Hash of the last row. Note it elsewhere, to know the log again.
        </p>
        <CopyLine text={verdict.headHash} what="the hash" />
      </div>
      <p className="text-xs text-ink-soft tabular-nums">Checked in {verdict.tookMs} ms.</p>
    </div>
  );
}
