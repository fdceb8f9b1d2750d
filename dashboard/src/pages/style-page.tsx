import { Headphones, SearchX } from "lucide-react";
import { useState, type ReactNode } from "react";
import { DirectionIcon, StatusDot, UpstreamBadge } from "@/components/call-bits";
import { CopyButton, CopyLine } from "@/components/copy-button";
import { FilterMenu } from "@/components/filter-menu";
import { Light } from "@/components/recording-light";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/input";
import { Kbd } from "@/components/ui/kbd";
import { Notice } from "@/components/ui/notice";
import { Skeleton } from "@/components/ui/skeleton";
import { Slider } from "@/components/ui/slider";
import { BarList } from "./analytics/bar-list";
import { HeatMap } from "./analytics/heat-map";

const VARIANTS = ["primary", "outline", "quiet", "on", "danger", "destroy"] as const;
const STATUSES = ["connecting", "connected", "on_hold", "transferring", "ended"] as const;
const LAMPS = [
  "off",
  "recording",
  "paused",
  "pausing",
  "unconfirmed",
  "degraded",
  "failed",
] as const;
const COLORS = ["customer", "agent", "accent", "good", "warn", "bad", "idle"] as const;

/** A week that is busiest at noon of its days in the middle. */
const HEAT = Array.from({ length: 7 }, (_, day) =>
  Array.from({ length: 24 }, (_, hour) =>
    Math.max(0, 20 - 3 * Math.abs(day - 2) - 2 * Math.abs(hour - 12)),
  ),
);

function Row({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="grid gap-2">
      <h3 className="text-xs text-ink-soft">{name}</h3>
      <div className="flex flex-wrap items-center gap-3">{children}</div>
    </div>
  );
}

function Figures() {
  return (
    <>
      <Row name="Secrets and texts to copy">
        <CopyButton text="copied" what="a sample" />
        <div className="w-80">
          <CopyLine text="https://calls.example.com/api/webhooks" what="a sample" />
        </div>
      </Row>
      <Row name="Charts">
        <div className="w-full">
          <BarList
            bars={[
              { key: "a", name: "Completed", share: 0.7, text: "70 %" },
              { key: "b", name: "Voicemail", share: 0.2, text: "20 %" },
            ]}
          />
        </div>
        <div className="w-full">
          <HeatMap grid={HEAT} />
        </div>
      </Row>
    </>
  );
}

function Samples() {
  const [volume, setVolume] = useState(100);
  const [filter, setFilter] = useState("");
  return (
    <>
      <Row name="Buttons">
        {VARIANTS.map((variant) => (
          <Button key={variant} variant={variant}>
            <Headphones aria-hidden />
            {variant}
          </Button>
        ))}
        <Button disabled>disabled</Button>
      </Row>
      <Row name="Fields">
        <Input aria-label="Sample" placeholder="Input" className="w-40" />
        <FilterMenu
          label="Filter"
          value={filter}
          onChange={setFilter}
          options={[
            ["", "All"],
            ["one", "One"],
          ]}
        />
        <Slider
          label="Volume"
          value={volume}
          max={150}
          step={5}
          valueText={`${volume} percent`}
          onChange={setVolume}
        />
        <Kbd>L</Kbd>
      </Row>
      <Figures />
      <Row name="Calls">
        {STATUSES.map((status) => (
          <StatusDot key={status} status={status} />
        ))}
        <DirectionIcon direction="inbound" />
        <DirectionIcon direction="outbound" />
        <DirectionIcon direction="web" />
        <UpstreamBadge upstream="livekit" />
        <Badge tone="outline">tag</Badge>
        <Badge tone="accent">Speaking</Badge>
        {LAMPS.map((lamp) => (
          <Light key={lamp} lamp={lamp} meaning="What it means" />
        ))}
      </Row>
      <Row name="Colours">
        {COLORS.map((color) => (
          <span key={color} className="flex items-center gap-1.5 text-xs">
            <span className="size-4 rounded" style={{ background: `var(--${color})` }} />
            {color}
          </span>
        ))}
      </Row>
      <Row name="States">
        <Skeleton className="h-4 w-40" />
        <div className="w-full">
          <Notice icon={SearchX} title="Nothing here" text="What happened, and what to do.">
            <Button>Do it</Button>
          </Notice>
        </div>
      </Row>
    </>
  );
}

/** Every component in both themes. In development only. */
export default function StylePage() {
  return (
    <main className="grid min-h-full grid-cols-2 overflow-y-auto">
      {(["light", "dark"] as const).map((theme) => (
        <section
          key={theme}
          data-theme={theme}
          aria-label={theme}
          className="grid content-start gap-6 bg-surface p-8 text-ink"
        >
          <Samples />
        </section>
      ))}
    </main>
  );
}
