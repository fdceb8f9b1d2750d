import { Bookmark, Flag, MessageCircle, StickyNote, type LucideIcon } from "lucide-react";
import type { ActionKind } from "@/wire/ActionKind";
import type { AnnotationKind } from "@/wire/AnnotationKind";

interface Look {
  word: string;
  icon: LucideIcon;
  ink: string;
}

/** How each kind of annotation looks: sign, word and colour. */
export const ANNOTATIONS: Record<AnnotationKind, Look> = {
  note: { word: "Note", icon: StickyNote, ink: "text-ink-soft" },
  bookmark: { word: "Bookmark", icon: Bookmark, ink: "text-accent-ink" },
  flag: { word: "Flag", icon: Flag, ink: "text-bad-ink" },
  whisper_pill: { word: "Quick message", icon: MessageCircle, ink: "text-agent-ink" },
};

/** What a supervisor did, in words. */
export const ACTIONS: Record<ActionKind, string> = {
  COACH_AGENT: "coached the agent",
  JOIN_CALL: "joined the call",
  TRANSFER_CALL: "transferred the call",
  END_CALL: "ended the call",
  ADD_NOTE: "wrote a note",
  BOOKMARK_MOMENT: "marked a moment",
  FLAG_FOR_REVIEW: "asked for a review",
};
