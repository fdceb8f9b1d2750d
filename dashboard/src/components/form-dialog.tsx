import { LoaderCircle } from "lucide-react";
import type { ReactNode } from "react";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";

interface Props {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  description: string;
  /** The verb on the button. */
  act: string;
  pending: boolean;
  /** What belongs to no field. */
  error: string | undefined;
  /** Something is still missing. */
  disabled?: boolean;
  wide?: boolean;
  onSubmit: () => void;
  children: ReactNode;
}

/** Fields to fill in and send; stays open, with the reason, when they are refused. */
export function FormDialog({ act, pending, error, disabled, onSubmit, children, ...props }: Props) {
  return (
    <Dialog {...props}>
      <form
        noValidate
        className="mt-4 grid gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          event.stopPropagation(); // React's events cross portals: a form may stand in another one
          if (!pending) onSubmit();
        }}
      >
        {children}
        {error !== undefined && (
          <p role="alert" className="text-bad-ink">
            {error}
          </p>
        )}
        <div className="flex justify-end gap-2">
          <Button size="md" onClick={() => props.onOpenChange(false)}>
            Cancel
          </Button>
          <Button type="submit" size="md" variant="primary" disabled={pending || disabled === true}>
            {pending && <LoaderCircle aria-hidden className="animate-spin" />}
            {act}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
