import { BellRing, CircleCheck, Plus } from "lucide-react";
import { useState } from "react";
import { useLocation } from "wouter";
import { useAlertLog, useAlertRules, useOpenAlerts } from "@/api/alerts";
import { errorText } from "@/api/client";
import { maySupervise } from "@/api/session";
import { AlertLine } from "@/components/alert-bits";
import { Card, Page, Section } from "@/components/page";
import { Failed, Loaded, Loading } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Notice } from "@/components/ui/notice";
import { Tabs, TabsContent, TabsList, TabsTrigger } from "@/components/ui/tabs";
import { useActs } from "@/lib/acts";
import type { PageProps } from "@/pages/registry";
import type { AlertRule } from "@/wire/AlertRule";
import { RuleDialog } from "./rule-dialog";
import { RuleList } from "./rule-list";

const TABS = ["open", "rules", "log"] as const;
type Tab = (typeof TABS)[number];
const isTab = (value: string | undefined): value is Tab => TABS.some((each) => each === value);

/** What fires, what is watched, and what there was. */
export default function AlertsPage({ me, id }: PageProps) {
  const [, navigate] = useLocation();
  const [asked, setAsked] = useState<"new" | AlertRule>();
  const open = useOpenAlerts();
  const may = maySupervise(me);
  const tab = isTab(id) ? id : "open";
  useActs(
    may ? [{ id: "rule", name: "New alert rule", icon: Plus, run: () => setAsked("new") }] : [],
  );
  const count = open.data?.length ?? 0;
  return (
    <Page wide>
      <Tabs
        value={tab}
        onValueChange={(next) => navigate(next === "open" ? "/alerts" : `/alerts/${next}`)}
      >
        <TabsList aria-label="Alerts" className="mb-6">
          <TabsTrigger value="open">
            Open
            {count > 0 && <span className="tabular-nums">{count}</span>}
          </TabsTrigger>
          <TabsTrigger value="rules">Rules</TabsTrigger>
          <TabsTrigger value="log">Log</TabsTrigger>
        </TabsList>
        <TabsContent value="open">
          <Open may={may} />
        </TabsContent>
        <TabsContent value="rules">
          <Rules may={may} onNew={() => setAsked("new")} onEdit={setAsked} />
        </TabsContent>
        <TabsContent value="log">
          <Log />
        </TabsContent>
      </Tabs>
      {asked !== undefined && (
        <RuleDialog
          rule={asked === "new" ? undefined : asked}
          onClose={() => setAsked(undefined)}
        />
      )}
    </Page>
  );
}

function Open({ may }: { may: boolean }) {
  const alerts = useOpenAlerts();
  return (
    <Section title="Open alerts" text="What a rule has found and what is still so.">
      <Card>
        <Loaded
          query={alerts}
          what="The alerts"
          loading={<Loading what="the alerts" rows={3} />}
          forbidden="Ask an admin if you need to see alerts."
        >
          {(open) =>
            open.length === 0 ? (
              <Notice
                icon={CircleCheck}
                title="All is quiet"
                text="What the rules find appears here, and at the bell on every page."
              />
            ) : (
              <ul className="divide-y divide-line">
                {open.map((alert) => (
                  <AlertLine key={alert.id} alert={alert} may={may} />
                ))}
              </ul>
            )
          }
        </Loaded>
      </Card>
    </Section>
  );
}

interface RulesProps {
  may: boolean;
  onNew: () => void;
  onEdit: (rule: AlertRule) => void;
}

function Rules({ may, onNew, onEdit }: RulesProps) {
  const rules = useAlertRules();
  const add = (
    <Button variant="primary" size="md" onClick={onNew}>
      <Plus aria-hidden />
      New rule
    </Button>
  );
  return (
    <Section title="Rules" text="What is watched, and where it fires." acts={may ? add : undefined}>
      <Card>
        <Loaded
          query={rules}
          what="The rules"
          loading={<Loading what="the rules" rows={3} />}
          forbidden="Ask an admin if you need to see the rules."
        >
          {(found) =>
            found.length === 0 ? (
              <Notice
                icon={BellRing}
                title="No rules yet"
                text={
                  may
                    ? "A rule watches calls and agents, and says when somebody should look."
                    : "Supervisors and admins make them."
                }
              >
                {may ? add : undefined}
              </Notice>
            ) : (
              <RuleList rules={found} may={may} onEdit={onEdit} />
            )
          }
        </Loaded>
      </Card>
    </Section>
  );
}

/** Every alert there was. */
function Log() {
  const log = useAlertLog();
  const alerts = log.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Section title="Log" text="Every alert there was, the newest first.">
      <Card>
        {log.isPending ? (
          <Loading what="the log" rows={4} />
        ) : log.isError && alerts.length === 0 ? (
          <Failed what="The log" error={log.error} onRetry={() => void log.refetch()} />
        ) : alerts.length === 0 ? (
          <Notice icon={CircleCheck} title="No alerts yet" text="Nothing has fired so far." />
        ) : (
          <>
            <ul className="divide-y divide-line">
              {alerts.map((alert) => (
                <AlertLine key={alert.id} alert={alert} may={false} />
              ))}
            </ul>
            {log.hasNextPage && (
              <div className="flex items-center gap-3 border-t border-line p-3">
                <Button disabled={log.isFetchingNextPage} onClick={() => void log.fetchNextPage()}>
                  {log.isFetchingNextPage ? "Loading…" : "Show older ones"}
                </Button>
                {log.isFetchNextPageError && (
                  <span role="alert" className="text-bad-ink">
                    {errorText(log.error)}
                  </span>
                )}
              </div>
            )}
          </>
        )}
      </Card>
    </Section>
  );
}
