import { LoaderCircle } from "lucide-react";
import { useId, type ReactNode } from "react";
import { errorText } from "@/api/client";
import { Button } from "@/components/ui/button";
import { Switch } from "@/components/ui/switch";

/** What ties a control to its label, its help and its error. */
export interface ControlProps {
  id: string;
  "aria-invalid": boolean;
  "aria-describedby": string;
}

interface FieldProps {
  name: string;
  /** Help, below the name. */
  text?: string | undefined;
  error?: string | undefined;
  children: (props: ControlProps) => ReactNode;
}

/** A line of a settings form: what it is on the left, its control on the right. */
export function Field({ name, text, error, children }: FieldProps) {
  const id = useId();
  return (
    <div className="flex items-center gap-4 px-4 py-3">
      <div className="min-w-0 flex-1">
        <label htmlFor={id} className="font-medium">
          {name}
        </label>
        <About id={id} text={text} error={error} />
      </div>
      {children({ id, "aria-invalid": error !== undefined, "aria-describedby": `${id}-text` })}
    </div>
  );
}

/** A field of a dialog's form: its control stands below its name. */
export function StackedField({ name, text, error, children }: FieldProps) {
  const id = useId();
  return (
    <div className="grid min-w-0 content-start gap-1">
      <label htmlFor={id} className="text-xs font-medium text-ink-soft">
        {name}
      </label>
      {children({ id, "aria-invalid": error !== undefined, "aria-describedby": `${id}-text` })}
      <About id={id} text={text} error={error} />
    </div>
  );
}

function About({ id, text, error }: { id: string } & Pick<FieldProps, "text" | "error">) {
  return (
    <div id={`${id}-text`} className="text-xs">
      {text !== undefined && <p className="text-ink-soft">{text}</p>}
      {error !== undefined && (
        <p role="alert" className="text-bad-ink">
          {error}
        </p>
      )}
    </div>
  );
}

interface ToggleProps {
  name: string;
  text: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
}

/** A line of a settings form that is on or off. */
export function Toggle({ name, text, checked, onChange }: ToggleProps) {
  const id = useId();
  return (
    <div className="flex items-center gap-4 px-4 py-3">
      <div className="min-w-0 flex-1">
        <label htmlFor={id} className="font-medium">
          {name}
        </label>
        <p id={`${id}-text`} className="text-xs text-ink-soft">
          {text}
        </p>
      </div>
      <Switch
        id={id}
        aria-describedby={`${id}-text`}
        checked={checked}
        onCheckedChange={onChange}
      />
    </div>
  );
}

interface SaveLineProps {
  /** Of the mutation that saves. */
  save: { isPending: boolean; isSuccess: boolean; isError: boolean; error: unknown };
  /** The verb on the button. */
  act?: string;
  /** What is told when it is done. */
  done?: string;
  disabled?: boolean;
}

/** A form's end: the button, and how the last try went. */
export function SaveLine({ save, act = "Save", done = "Saved.", disabled = false }: SaveLineProps) {
  return (
    <div className="mt-4 flex min-h-8 items-center gap-3">
      <Button type="submit" variant="primary" size="md" disabled={save.isPending || disabled}>
        {save.isPending && <LoaderCircle aria-hidden className="animate-spin" />}
        {act}
      </Button>
      {save.isSuccess && (
        <span role="status" className="text-good-ink">
          {done}
        </span>
      )}
      {save.isError && (
        <span role="alert" className="text-bad-ink">
          {errorText(save.error)} Nothing was changed.
        </span>
      )}
    </div>
  );
}

interface FormDialogFootProps {
  act: string;
  save: { isPending: boolean; isError: boolean; error: unknown };
  disabled?: boolean;
  onCancel: () => void;
}

/** The end of a dialog's form: why it did not work, cancel, and the act. */
export function FormDialogFoot({ act, save, disabled, onCancel }: FormDialogFootProps) {
  return (
    <>
      {save.isError && (
        <p role="alert" className="text-bad-ink">
          {errorText(save.error)}
        </p>
      )}
      <div className="mt-2 flex justify-end gap-2">
        <Button size="md" onClick={onCancel}>
          Cancel
        </Button>
        <Button
          type="submit"
          size="md"
          variant="primary"
          disabled={save.isPending || disabled === true}
        >
          {save.isPending && <LoaderCircle aria-hidden className="animate-spin" />}
          {act}
        </Button>
      </div>
    </>
  );
}
