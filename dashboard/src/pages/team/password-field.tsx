import { StackedField } from "@/components/form";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/input";
import { newPassword } from "@/lib/password";

interface Props {
  value: string;
  onChange: (password: string) => void;
  error: string | undefined;
}

/** A password for somebody else: typed, or made here. It is seen, since it is handed over. */
export function PasswordField({ value, onChange, error }: Props) {
  return (
    <StackedField name="Password" text="8 to 128 characters." error={error}>
      {(props) => (
        <div className="flex gap-2">
          <Input
            {...props}
            autoComplete="off"
            spellCheck={false}
            maxLength={128}
            value={value}
            className="font-mono text-xs"
            onChange={(event) => onChange(event.target.value)}
          />
          <Button className="h-8" onClick={() => onChange(newPassword())}>
            Make one
          </Button>
        </div>
      )}
    </StackedField>
  );
}
