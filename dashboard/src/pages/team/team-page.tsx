import { maySeeTeam } from "@/api/team";
import { Page } from "@/components/page";
import { Forbidden } from "@/components/states";
import type { PageProps } from "@/pages/registry";
import { Users } from "./users";

/** Who may do what. */
export default function TeamPage({ me }: PageProps) {
  if (!maySeeTeam(me)) {
    return <Forbidden text="Admins and auditors see who belongs to the team. Ask one of them." />;
  }
  return (
    <Page wide>
      <Users me={me} />
    </Page>
  );
}
