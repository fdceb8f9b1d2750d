interface Props {
  person: { username: string; fullName?: string };
  isMe: boolean;
}

/** Somebody in a table: the name they log in with, and the one that others see. */
export function PersonName({ person, isMe }: Props) {
  return (
    <>
      <div className="font-medium">
        {person.username}
        {isMe && <span className="text-ink-soft"> (you)</span>}
      </div>
      {person.fullName !== undefined && (
        <div className="text-xs text-ink-soft">{person.fullName}</div>
      )}
    </>
  );
}
