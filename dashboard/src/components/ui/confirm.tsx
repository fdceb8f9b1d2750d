import { LoaderCircle } from "lucide-react";
import type { ReactNode } from "react";
import { Button } from "./button";
import { Dialog } from "./dialog";

interface Props {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  /** What will happen, and to whom. */
  description: string;
  /** The verb on the button. */
  act: string;
  /** Whether it cannot be undone. */
  destroys?: boolean;
  /** Something is still missing. */
  disabled?: boolean;
  pending: boolean;
  error: string | undefined;
  onConfirm: () => void;
  /** Fields to fill in. */
  children?: ReactNode;
}

/** Asks once, says what will happen, and stays open when it did not. */
export function Confirm({ destroys = true, disabled = false, ...props }: Props) {
  const { open, onOpenChange, title, description, act, pending, error, children } = props;
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title={title} description={description}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          props.onConfirm();
        }}
      >
        {children}
        {error !== undefined && (
          <p role="alert" className="mt-3 text-bad-ink">
            {error}
          </p>
        )}
        <div className="mt-5 flex justify-end gap-2">
          <Button size="md" onClick={() => onOpenChange(false)}>
            Cancel
          </Button>
          <Button
            type="submit"
            size="md"
            variant={destroys ? "destroy" : "primary"}
            disabled={pending || disabled}
          >
            {pending && <LoaderCircle aria-hidden className="animate-spin" />}
            {act}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
