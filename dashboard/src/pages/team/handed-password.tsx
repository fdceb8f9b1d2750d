import { SecretOnce } from "@/components/secret-once";

/** A password that was set just now. */
export interface Handed {
  username: string;
  password: string;
}

interface Props {
  /** Nothing: the dialog is closed. */
  handed: Handed | undefined;
  onClose: () => void;
}

/** Shows a password the only time it can be seen, to be handed over. */
export function HandedPassword({ handed, onClose }: Props) {
  return (
    <SecretOnce
      secret={handed?.password}
      title={`The password of ${handed?.username ?? ""}`}
      description="Hand it over on a way that nobody else reads."
      what="the password"
      onClose={onClose}
    />
  );
}
