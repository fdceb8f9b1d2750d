import { Building, KeyRound, MailPlus, Users as UsersIcon } from "lucide-react";
import { mayRuleClients, maySeeTeam } from "@/api/team";
import { Forbidden } from "@/components/states";
import { SubPages, type SubPage } from "@/components/sub-nav";
import type { PageProps } from "@/pages/registry";
import type { Me } from "@/wire/Me";
import { ApiKeys } from "./api-keys";
import { Clients } from "./clients";
import { Invites } from "./invites";
import { Users } from "./users";

const USERS = { to: "/team", name: "Users", icon: UsersIcon };
const KEYS = { to: "/team/keys", name: "API keys", icon: KeyRound };
const INVITES = { to: "/team/invites", name: "Invites", icon: MailPlus };
const CLIENTS = { to: "/team/clients", name: "Clients", icon: Building };

const subPages = (me: Me): SubPage[] =>
  mayRuleClients(me) ? [USERS, KEYS, INVITES, CLIENTS] : [USERS, KEYS, INVITES];

/** Who may do what: people, programs, and the clients that they belong to. */
export default function TeamPage({ me, id }: PageProps) {
  if (!maySeeTeam(me)) {
    return <Forbidden text="Admins and auditors see who belongs to the team. Ask one of them." />;
  }
  const pages = subPages(me);
  const here = pages.find(({ to }) => to === `/team/${id ?? ""}`) ?? USERS;
  return (
    <SubPages label="Team" pages={pages} here={here.to}>
      {here === KEYS ? (
        <ApiKeys me={me} />
      ) : here === INVITES ? (
        <Invites me={me} />
      ) : here === CLIENTS ? (
        <Clients me={me} />
      ) : (
        <Users me={me} />
      )}
    </SubPages>
  );
}
