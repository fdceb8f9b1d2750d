import { TriangleAlert } from "lucide-react";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { CopyLine } from "./copy-button";

interface Props {
  /** What was made; nothing: the dialog is closed. */
  secret: string | undefined;
  title: string;
  /** What it opens, and for whom. */
  description: string;
  /** For screen readers: `the key`. */
  what: string;
  onClose: () => void;
}

/** Shows a secret the only time it can be seen. Only its button closes it: it is gone then. */
export function SecretOnce({ secret, title, description, what, onClose }: Props) {
  return (
    <Dialog
      open={secret !== undefined}
      onOpenChange={onClose}
      title={title}
      description={description}
    >
      <div className="mt-4 grid gap-3">
        <CopyLine text={secret ?? ""} what={what} />
        <p className="flex items-start gap-2 text-warn-ink">
          <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
          Copy it now. It is kept where nobody can read it, and is never shown again.
        </p>
        <div className="flex justify-end">
          <Button size="md" variant="primary" onClick={onClose}>
            I have kept it
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
