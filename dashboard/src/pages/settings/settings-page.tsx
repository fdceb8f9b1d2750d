import {
  Building2,
  Disc2,
  Headset,
  Megaphone,
  MessageSquareText,
  Plug,
  Webhook,
} from "lucide-react";
import type { ReactNode } from "react";
import { mayRule, useRetention } from "@/api/recordings";
import { maySupervise } from "@/api/session";
import { Forbidden, Loaded } from "@/components/states";
import { SubPages, type SubPage } from "@/components/sub-nav";
import type { PageProps } from "@/pages/registry";
import type { Me } from "@/wire/Me";
import { Branches } from "./branches";
import { Campaigns } from "./campaigns";
import { Connections } from "./connections";
import { Numbers } from "./numbers";
import { Pills } from "./pills";
import { RecordingSettings } from "./recording-settings";
import { SupervisionSettings } from "./supervision-settings";
import { Webhooks } from "./webhooks";

interface Part extends SubPage {
  isFor: (me: Me) => boolean;
  Content: (props: { me: Me }) => ReactNode;
}

const PARTS: readonly Part[] = [
  { to: "/settings", name: "Recording", icon: Disc2, isFor: mayRule, Content: Recording },
  {
    to: "/settings/supervision",
    name: "Supervision",
    icon: Headset,
    isFor: mayRule,
    Content: SupervisionSettings,
  },
  {
    to: "/settings/connections",
    name: "Connections",
    icon: Plug,
    isFor: mayRule,
    Content: Connections,
  },
  {
    to: "/settings/branches",
    name: "Branches",
    icon: Building2,
    isFor: mayRule,
    Content: BranchesAndNumbers,
  },
  {
    to: "/settings/campaigns",
    name: "Campaigns",
    icon: Megaphone,
    isFor: maySupervise,
    Content: Campaigns,
  },
  {
    to: "/settings/messages",
    name: "Quick messages",
    icon: MessageSquareText,
    isFor: maySupervise,
    Content: Pills,
  },
  {
    to: "/settings/webhooks",
    name: "Webhooks",
    icon: Webhook,
    isFor: mayRule,
    Content: Webhooks,
  },
];

/** What is set for the tenant: most of it by admins, some by supervisors. */
export default function SettingsPage({ me, id }: PageProps) {
  const parts = PARTS.filter(({ isFor }) => isFor(me));
  const asked = id === undefined ? "/settings" : `/settings/${id}`;
  const part = parts.find(({ to }) => to === asked) ?? parts[0];
  if (part === undefined) {
    return <Forbidden text="Admins and supervisors change settings. Ask one of them." />;
  }
  return (
    <SubPages label="Settings" pages={parts} here={part.to}>
      <part.Content me={me} />
    </SubPages>
  );
}

function Recording({ me }: { me: Me }) {
  const retention = useRetention();
  return (
    <Loaded query={retention} what="The settings">
      {(saved) => <RecordingSettings saved={saved} tenant={me.clientName} />}
    </Loaded>
  );
}

function BranchesAndNumbers() {
  return (
    <>
      <Branches />
      <Numbers />
    </>
  );
}
