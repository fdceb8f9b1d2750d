import { Pencil, Trash2 } from "lucide-react";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { errorText } from "@/api/client";

interface RowActsProps {
  /** The name of what is in the row, for screen readers. */
  of: string;
  onEdit: () => void;
  onRemove: () => void;
}

/** What every row of a settings table can have done to it. */
export function RowActs({ of, onEdit, onRemove }: RowActsProps) {
  return (
    <span className="flex justify-end gap-0.5">
      <Button
        variant="quiet"
        size="icon"
        aria-label={`Change ${of}`}
        title="Change"
        onClick={onEdit}
      >
        <Pencil aria-hidden />
      </Button>
      <Button
        variant="quiet"
        size="icon"
        aria-label={`Remove ${of}`}
        title="Remove"
        onClick={onRemove}
      >
        <Trash2 aria-hidden />
      </Button>
    </span>
  );
}

interface RemovalProps {
  /** What is to be removed; nothing: the dialog is closed. */
  id: string | undefined;
  title: string;
  /** What will happen, and to whom. */
  text: string;
  act?: string;
  remove: {
    mutate: (id: string, options: { onSuccess: () => void }) => void;
    reset: () => void;
    isPending: boolean;
    error: unknown;
  };
  onClose: () => void;
}

/** Asks once before something goes for good. */
export function Removal({ id, title, text, act = "Remove", remove, onClose }: RemovalProps) {
  const close = () => {
    remove.reset();
    onClose();
  };
  return (
    <Confirm
      open={id !== undefined}
      onOpenChange={close}
      title={title}
      description={text}
      act={act}
      pending={remove.isPending}
      error={remove.error === null ? undefined : errorText(remove.error)}
      onConfirm={() => {
        if (id !== undefined) remove.mutate(id, { onSuccess: close });
      }}
    />
  );
}
