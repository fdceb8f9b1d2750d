import type { ComponentProps } from "react";
import { StackedField } from "@/components/form";
import { Input } from "@/components/ui/input";
import { Textarea } from "@/components/ui/textarea";

interface Labelled {
  name: string;
  text?: string;
  error?: string | undefined;
  value: string;
  onChange: (value: string) => void;
}

type TextFieldProps = Labelled &
  Omit<ComponentProps<"input">, keyof Labelled | "id" | "aria-invalid" | "aria-describedby">;

/** A line of text in a form. */
export function TextField({ name, text, error, value, onChange, ...input }: TextFieldProps) {
  return (
    <StackedField name={name} error={error} {...(text === undefined ? {} : { text })}>
      {(props) => (
        <Input
          maxLength={200}
          {...input}
          {...props}
          value={value}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </StackedField>
  );
}

type AreaFieldProps = Labelled &
  Omit<ComponentProps<"textarea">, keyof Labelled | "id" | "aria-invalid" | "aria-describedby">;

/** Several lines of text in a form. */
export function AreaField({ name, text, error, value, onChange, ...area }: AreaFieldProps) {
  return (
    <StackedField name={name} error={error} {...(text === undefined ? {} : { text })}>
      {(props) => (
        <Textarea
          maxLength={1000}
          {...area}
          {...props}
          value={value}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </StackedField>
  );
}
