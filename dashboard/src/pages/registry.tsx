import {
  AudioLines,
  BellRing,
  ChartLine,
  Disc2,
  Headset,
  History,
  ScrollText,
  Settings,
  Users,
  type LucideIcon,
} from "lucide-react";
import { lazy, type ComponentType } from "react";
import { maySeeRecorder } from "@/api/recordings";
import { maySeeFigures, maySupervise } from "@/api/session";
import { maySeeTeam } from "@/api/team";
import type { Me } from "@/wire/Me";
import { LivePage } from "./live/live-page";

/** What every page is given. */
export interface PageProps {
  me: Me;
  /** What stands behind the page's own path: the open call, the tab. */
  id: string | undefined;
}

export interface PageEntry {
  to: `/${string}`;
  name: string;
  icon: LucideIcon;
  /** In the command palette: what is found there. */
  about: string;
  /** Pressed after `g`, it goes there. */
  key: string;
  isFor: (me: Me) => boolean;
  Page: ComponentType<PageProps>;
}

const everybody = () => true;

/** Every page there is, in the rail's order. All but the first one are loaded when they are opened. */
export const PAGES: readonly PageEntry[] = [
  {
    to: "/live",
    name: "Live",
    icon: AudioLines,
    about: "Calls that go on now",
    key: "l",
    isFor: everybody,
    Page: LivePage,
  },
  {
    to: "/history",
    name: "History",
    icon: History,
    about: "Calls that have ended",
    key: "h",
    isFor: everybody,
    Page: lazy(() => import("./history/history-page")),
  },
  {
    to: "/analytics",
    name: "Analytics",
    icon: ChartLine,
    about: "Figures about the calls of a period",
    key: "n",
    isFor: maySeeFigures,
    Page: lazy(() => import("./analytics/analytics-page")),
  },
  {
    to: "/alerts",
    name: "Alerts",
    icon: BellRing,
    about: "What rules have found, and the rules",
    key: "a",
    isFor: everybody,
    Page: lazy(() => import("./alerts/alerts-page")),
  },
  {
    to: "/agents",
    name: "Agents",
    icon: Headset,
    about: "Who takes calls, and who is in one",
    key: "e",
    isFor: everybody,
    Page: lazy(() => import("./agents/agents-page")),
  },
  {
    to: "/recordings",
    name: "Recordings",
    icon: Disc2,
    about: "How the recorder fares",
    key: "r",
    isFor: maySeeRecorder,
    Page: lazy(() => import("./recordings/recordings-page")),
  },
  {
    to: "/team",
    name: "Team",
    icon: Users,
    about: "Users, roles, API keys and invites",
    key: "t",
    isFor: maySeeTeam,
    Page: lazy(() => import("./team/team-page")),
  },
  {
    to: "/settings",
    name: "Settings",
    icon: Settings,
    about: "What is set for the whole client",
    key: "s",
    isFor: maySupervise,
    Page: lazy(() => import("./settings/settings-page")),
  },
  {
    to: "/audit",
    name: "Audit",
    icon: ScrollText,
    about: "Who did or heard what",
    key: "u",
    isFor: maySeeTeam,
    Page: lazy(() => import("./audit/audit-page")),
  },
];

/** The pages that a person's role may see. */
export const pagesFor = (me: Me): readonly PageEntry[] => PAGES.filter(({ isFor }) => isFor(me));

/** The page at a location, whoever may see it. */
export function pageAt(location: string): PageEntry | undefined {
  return PAGES.find(({ to }) => location === to || location.startsWith(`${to}/`));
}
