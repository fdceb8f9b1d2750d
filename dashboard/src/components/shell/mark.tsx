import { cn } from "@/lib/cn";

/** The product's mark. */
export function Mark({ className }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" aria-hidden className={cn("size-6", className)}>
      <rect width="32" height="32" rx="8" className="fill-accent" />
      <g fill="none" stroke="#fff" strokeWidth="2.6" strokeLinecap="round">
        <path d="M9 13v6M13.7 9.5v13M18.3 12v8" />
        <path d="M23 14.5v3" opacity=".65" />
      </g>
    </svg>
  );
}
