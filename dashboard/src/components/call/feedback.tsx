import { LoaderCircle, Star } from "lucide-react";
import { RadioGroup as Radix } from "radix-ui";
import { useState, type SyntheticEvent } from "react";
import { errorText } from "@/api/client";
import { useFeedback, useJudge } from "@/api/notes";
import { mayWriteAbout } from "@/api/session";
import { Button } from "@/components/ui/button";
import { Skeleton } from "@/components/ui/skeleton";
import { Textarea } from "@/components/ui/textarea";
import { cn } from "@/lib/cn";
import type { Call } from "@/wire/Call";
import type { Feedback as Judgement } from "@/wire/Feedback";
import type { Me } from "@/wire/Me";
import { CallSection } from "./section";

const RATINGS = [1, 2, 3, 4, 5] as const;
const WORDS = ["", "Bad", "Poor", "Fair", "Good", "Excellent"];
/** Characters of a comment, at most. */
const COMMENT_MAX = 2_000;

/** How people judge the call, and one's own judgement. */
export function CallFeedback({ call, me }: { call: Call; me: Me }) {
  const feedback = useFeedback(call.id);
  return (
    <CallSection title="Feedback">
      {feedback.isPending ? (
        <div role="status">
          <span className="sr-only">Loading the feedback</span>
          <Skeleton className="h-7 w-40" />
        </div>
      ) : feedback.data === undefined ? (
        <div role="alert" className="text-bad-ink">
          {errorText(feedback.error)}
          <Button className="ml-2" onClick={() => void feedback.refetch()}>
            Try again
          </Button>
        </div>
      ) : (
        <Judgements call={call} me={me} given={feedback.data} />
      )}
    </CallSection>
  );
}

interface JudgementsProps {
  call: Call;
  me: Me;
  given: readonly Judgement[];
}

function Judgements({ call, me, given }: JudgementsProps) {
  const mine = given.find(({ by }) => by.userId === me.id);
  const others = given.filter(({ by }) => by.userId !== me.id);
  return (
    <>
      {mayWriteAbout(call, me) && <Mine key={mine?.createdAt ?? ""} call={call} mine={mine} />}
      {others.length > 0 && (
        <ul className={cn("grid gap-2", mayWriteAbout(call, me) && "mt-3")}>
          {others.map(({ id, rating, comment, by }) => (
            <li key={id}>
              <Stars rating={rating} />
              <span className="ml-2 text-xs text-ink-soft">{by.name}</span>
              {comment !== undefined && (
                <p className="break-words whitespace-pre-wrap">{comment}</p>
              )}
            </li>
          ))}
        </ul>
      )}
      {given.length === 0 && !mayWriteAbout(call, me) && (
        <p className="text-ink-soft">Nobody has judged this call.</p>
      )}
    </>
  );
}

/** A rating to be read. */
export function Stars({ rating }: { rating: number }) {
  return (
    <span className="inline-flex align-middle" role="img" aria-label={`${rating} of 5 stars`}>
      {RATINGS.map((each) => (
        <Star
          key={each}
          aria-hidden
          className={cn("size-3.5", each <= rating ? "fill-warn text-warn" : "text-line-strong")}
        />
      ))}
    </span>
  );
}

function Mine({ call, mine }: { call: Call; mine: Judgement | undefined }) {
  const judge = useJudge(call.id);
  const [rating, setRating] = useState(mine?.rating ?? 0);
  const [comment, setComment] = useState(mine?.comment ?? "");
  const changed = rating !== (mine?.rating ?? 0) || comment.trim() !== (mine?.comment ?? "");
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    const text = comment.trim();
    judge.mutate(text === "" ? { rating } : { rating, comment: text });
  };
  return (
    <form onSubmit={submit} className="grid gap-2">
      <div className="flex items-center gap-2">
        <RatingField
          rating={rating}
          onChange={(next) => {
            setRating(next);
            judge.reset();
          }}
        />
        <span className="text-xs text-ink-soft">{WORDS[rating] || "Not judged by you yet"}</span>
      </div>
      {rating > 0 && (changed || comment !== "") && (
        <Textarea
          aria-label="Why"
          placeholder="Why (optional)"
          maxLength={COMMENT_MAX}
          className="min-h-12"
          value={comment}
          onChange={(event) => {
            setComment(event.target.value);
            judge.reset();
          }}
        />
      )}
      {rating > 0 && changed && (
        <Button
          type="submit"
          variant="primary"
          className="justify-self-start"
          disabled={judge.isPending}
        >
          {judge.isPending && <LoaderCircle aria-hidden className="animate-spin" />}
          {mine === undefined ? "Give feedback" : "Change feedback"}
        </Button>
      )}
      {judge.isError && (
        <p role="alert" className="text-bad-ink">
          {errorText(judge.error)} Your judgement was not kept.
        </p>
      )}
    </form>
  );
}

interface RatingFieldProps {
  rating: number;
  onChange: (rating: number) => void;
}

/** A rating to be given: arrow keys choose it too. */
function RatingField({ rating, onChange }: RatingFieldProps) {
  return (
    <Radix.Root
      aria-label="Your rating"
      orientation="horizontal"
      value={String(rating)}
      onValueChange={(value) => onChange(Number(value))}
      className="-ml-1 flex"
    >
      {RATINGS.map((each) => (
        <Radix.Item
          key={each}
          value={String(each)}
          aria-label={`${each} of 5: ${WORDS[each] ?? ""}`}
          title={WORDS[each]}
          className="group rounded p-1"
        >
          <Star
            aria-hidden
            className={cn(
              "size-5 transition-colors",
              each <= rating ? "fill-warn text-warn" : "text-ink-faint group-hover:text-warn-ink",
            )}
          />
        </Radix.Item>
      ))}
    </Radix.Root>
  );
}
