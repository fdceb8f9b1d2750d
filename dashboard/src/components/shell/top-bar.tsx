import {
  CircleHelp,
  LogOut,
  Monitor,
  Moon,
  Search,
  Sun,
  UserRound,
  Volume2,
  VolumeOff,
} from "lucide-react";
import { useLocation } from "wouter";
import { errorText } from "@/api/client";
import { useLogout } from "@/api/session";
import { unlock, useUnlocked } from "@/audio/output";
import { Button } from "@/components/ui/button";
import {
  DropdownMenu,
  DropdownMenuContent,
  DropdownMenuItem,
  DropdownMenuLabel,
  DropdownMenuRadioGroup,
  DropdownMenuRadioItem,
  DropdownMenuSeparator,
  DropdownMenuTrigger,
} from "@/components/ui/dropdown-menu";
import { Tooltip } from "@/components/ui/tooltip";
import { Kbd } from "@/components/ui/kbd";
import { cn } from "@/lib/cn";
import { words } from "@/lib/format";
import { setTheme, useTheme, type Theme } from "@/lib/theme";
import { useLink } from "@/realtime/context";
import { pageAt } from "@/pages/registry";
import type { Me } from "@/wire/Me";
import { ActiveCalls } from "./active-calls";
import { Bell } from "./bell";
import { BranchBar } from "./branch-pulses";
import { isMac } from "./shell-keys";
import { TenantMenu } from "./tenant-menu";

interface Props {
  me: Me;
  onHelp: () => void;
  onSearch: () => void;
  onProfile: () => void;
}

export function TopBar({ me, onHelp, onSearch, onProfile }: Props) {
  const [location] = useLocation();
  return (
    <header className="flex h-12 shrink-0 items-center gap-1.5 border-b border-line bg-surface px-4">
      <h1 className="text-sm font-semibold">{pageAt(location)?.name}</h1>
      <TenantMenu me={me} />
      <ActiveCalls />
      <BranchBar />
      <div className="flex-1" />
      <Button variant="quiet" onClick={onSearch}>
        <Search aria-hidden />
        <span className="sr-only">Go to, find, do</span>
        <span className="flex gap-0.5 max-lg:hidden">
          <Kbd>{isMac ? "⌘" : "Ctrl"}</Kbd>
          <Kbd>K</Kbd>
        </span>
      </Button>
      <SoundUnlock />
      <ConnectionLight />
      <Bell me={me} />
      <ThemeMenu />
      <Tooltip content="Keys (?)">
        <Button variant="quiet" size="icon" aria-label="Keys" onClick={onHelp}>
          <CircleHelp aria-hidden />
        </Button>
      </Tooltip>
      <Profile me={me} onProfile={onProfile} />
    </header>
  );
}

/** Until a gesture has allowed sound, says so; afterwards there is nothing to say. */
function SoundUnlock() {
  const unlocked = useUnlocked();
  if (unlocked) {
    return (
      <Tooltip content="Sound is enabled">
        <span
          tabIndex={0}
          role="img"
          aria-label="Sound is enabled"
          className="p-1.5 text-ink-faint"
        >
          <Volume2 aria-hidden className="size-4" />
        </span>
      </Tooltip>
    );
  }
  return (
    <Button variant="on" onClick={() => void unlock()}>
      <VolumeOff aria-hidden />
      Click to enable sound
    </Button>
  );
}

const LIGHT = {
  live: { look: "bg-good", word: "Live" },
  reconnecting: { look: "bg-warn animate-pulse-soft", word: "Reconnecting" },
  offline: { look: "bg-idle", word: "Offline" },
} as const;

function ConnectionLight() {
  const { state, reason } = useLink();
  const { look, word } = LIGHT[state];
  return (
    <Tooltip content={reason}>
      <span
        tabIndex={0}
        role="status"
        data-testid="connection"
        className="flex h-7 items-center gap-1.5 rounded-md px-2 text-xs text-ink-soft"
      >
        <span className={cn("size-2 rounded-full", look)} />
        {word}
      </span>
    </Tooltip>
  );
}

const THEMES = { light: Sun, dark: Moon, system: Monitor };
const isTheme = (value: string): value is Theme => value in THEMES;

function ThemeMenu() {
  const theme = useTheme();
  const Icon = THEMES[theme];
  return (
    <DropdownMenu>
      <DropdownMenuTrigger asChild>
        <Button variant="quiet" size="icon" aria-label={`Theme: ${theme}`}>
          <Icon aria-hidden />
        </Button>
      </DropdownMenuTrigger>
      <DropdownMenuContent align="end">
        <DropdownMenuRadioGroup
          value={theme}
          onValueChange={(value) => {
            if (isTheme(value)) setTheme(value);
          }}
        >
          {Object.entries(THEMES).map(([name, ThemeIcon]) => (
            <DropdownMenuRadioItem key={name} value={name}>
              <ThemeIcon aria-hidden />
              {words(name)}
            </DropdownMenuRadioItem>
          ))}
        </DropdownMenuRadioGroup>
      </DropdownMenuContent>
    </DropdownMenu>
  );
}

function Profile({ me, onProfile }: Pick<Props, "me" | "onProfile">) {
  const logout = useLogout();
  const name = me.fullName ?? me.username;
  return (
    <DropdownMenu>
      <DropdownMenuTrigger asChild>
        <button
          type="button"
          aria-label={`Profile of ${name}`}
          className="ml-1 flex size-7 items-center justify-center rounded-full bg-accent-soft text-xs font-semibold text-accent-ink uppercase"
        >
          {name.slice(0, 1)}
        </button>
      </DropdownMenuTrigger>
      <DropdownMenuContent align="end" className="w-52">
        <DropdownMenuLabel>
          <div className="truncate font-medium">{name}</div>
          <div className="truncate text-xs text-ink-soft">
            {words(me.role)} · {me.clientName}
          </div>
        </DropdownMenuLabel>
        <DropdownMenuSeparator />
        <DropdownMenuItem onSelect={onProfile}>
          <UserRound aria-hidden />
          Your profile…
        </DropdownMenuItem>
        <DropdownMenuItem
          onSelect={(event) => {
            event.preventDefault(); // stays open, so that a failure is seen where it was pressed
            logout.mutate();
          }}
        >
          <LogOut aria-hidden />
          {logout.isPending ? "Logging out…" : "Log out"}
        </DropdownMenuItem>
        {logout.isError && (
          <p role="alert" className="px-2 py-1 text-xs text-bad-ink">
            {errorText(logout.error)}
          </p>
        )}
      </DropdownMenuContent>
    </DropdownMenu>
  );
}
