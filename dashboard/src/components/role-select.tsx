import { StackedField } from "@/components/form";
import { Select } from "@/components/ui/select";
import { words } from "@/lib/format";
import { ROLE_TEXT, ROLES } from "@/lib/roles";
import type { Role } from "@/wire/Role";

interface Props {
  value: Role;
  onChange: (role: Role) => void;
  error?: string | undefined;
}

/** What somebody may do, with what that means. */
export function RoleSelect({ value, onChange, error }: Props) {
  return (
    <StackedField name="Role" text={ROLE_TEXT[value]} error={error}>
      {(props) => (
        <Select
          {...props}
          value={value}
          options={ROLES.map((role) => [role, words(role)] as const)}
          onChange={onChange}
        />
      )}
    </StackedField>
  );
}
