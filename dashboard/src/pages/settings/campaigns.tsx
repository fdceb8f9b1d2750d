import { Megaphone, Plus } from "lucide-react";
import { useState } from "react";
import {
  useCampaigns,
  useRemoveCampaign,
  useSaveCampaign,
  type CampaignGiven,
} from "@/api/campaigns";
import { Empty } from "@/components/empty";
import { FormDialog } from "@/components/form-dialog";
import { Card, Section } from "@/components/page";
import { Removal, RowActs } from "@/components/row-acts";
import { Loaded } from "@/components/states";
import { AreaField, TextField } from "@/components/text-field";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Switch } from "@/components/ui/switch";
import {
  Table,
  TableBody,
  TableCell,
  TableHead,
  TableHeader,
  TableRow,
} from "@/components/ui/table";
import { formErrors } from "@/lib/form";
import { readNumbers } from "@/lib/phone-list";
import type { Campaign } from "@/wire/Campaign";

/** What calls belong together. */
export function Campaigns() {
  const campaigns = useCampaigns();
  const remove = useRemoveCampaign();
  const [edited, setEdited] = useState<Campaign | "new">();
  const [removed, setRemoved] = useState<Campaign>();
  const add = (
    <Button onClick={() => setEdited("new")}>
      <Plus aria-hidden />
      Add a campaign
    </Button>
  );
  return (
    <Section
      title="Campaigns"
      text="Calls that belong together: by their number, or because whoever makes them says so."
      acts={add}
    >
      <Loaded query={campaigns} what="The campaigns">
        {(items) =>
          items.length === 0 ? (
            <Empty
              icon={Megaphone}
              title="No campaigns"
              text="A sale, a survey, a hotline: give it a word, and its calls can be told apart."
            >
              {add}
            </Empty>
          ) : (
            <CampaignTable items={items} onEdit={setEdited} onRemove={setRemoved} />
          )
        }
      </Loaded>
      {edited !== undefined && (
        <CampaignForm
          campaign={edited === "new" ? undefined : edited}
          onClose={() => setEdited(undefined)}
        />
      )}
      <Removal
        id={removed?.id}
        title={`Remove ${removed?.name ?? "the campaign"}?`}
        text="New calls are no longer put into it. Past calls keep its word."
        remove={remove}
        onClose={() => setRemoved(undefined)}
      />
    </Section>
  );
}

interface TableProps {
  items: readonly Campaign[];
  onEdit: (campaign: Campaign) => void;
  onRemove: (campaign: Campaign) => void;
}

function CampaignTable({ items, onEdit, onRemove }: TableProps) {
  return (
    <Card>
      <Table aria-label="Campaigns">
        <TableHead>
          <TableRow>
            <TableHeader>Name</TableHeader>
            <TableHeader>Word</TableHeader>
            <TableHeader>Numbers</TableHeader>
            <TableHeader>State</TableHeader>
            <TableHeader>
              <span className="sr-only">Acts</span>
            </TableHeader>
          </TableRow>
        </TableHead>
        <TableBody>
          {items.map((each) => (
            <TableRow key={each.id}>
              <TableCell>
                <div className="font-medium">{each.name}</div>
                {each.description !== undefined && (
                  <div className="max-w-72 truncate text-xs text-ink-soft" title={each.description}>
                    {each.description}
                  </div>
                )}
              </TableCell>
              <TableCell>
                <code className="font-mono text-xs">{each.word}</code>
              </TableCell>
              <TableCell className="text-ink-soft tabular-nums" title={each.numbers.join(", ")}>
                {each.numbers.length}
              </TableCell>
              <TableCell>
                <Badge tone={each.active ? "accent" : "plain"}>
                  {each.active ? "Active" : "Inactive"}
                </Badge>
              </TableCell>
              <TableCell>
                <RowActs
                  of={each.name}
                  onEdit={() => onEdit(each)}
                  onRemove={() => onRemove(each)}
                />
              </TableCell>
            </TableRow>
          ))}
        </TableBody>
      </Table>
    </Card>
  );
}

interface FormProps {
  /** Nothing: a new one. */
  campaign: Campaign | undefined;
  onClose: () => void;
}

const FIELDS = ["word", "name", "description", "numbers"];

const formOf = (campaign: Campaign | undefined) => ({
  word: campaign?.word ?? "",
  name: campaign?.name ?? "",
  description: campaign?.description ?? "",
  numbers: campaign?.numbers.join("\n") ?? "",
  active: campaign?.active ?? true,
});

const read = (form: ReturnType<typeof formOf>): CampaignGiven => ({
  word: form.word.trim(),
  name: form.name.trim(),
  description: form.description.trim() || null,
  numbers: readNumbers(form.numbers),
  active: form.active,
});

function CampaignForm({ campaign, onClose }: FormProps) {
  const save = useSaveCampaign(campaign?.id);
  const [form, setForm] = useState(() => formOf(campaign));
  const errors = formErrors(save.error, FIELDS);
  const set = (part: Partial<typeof form>) => setForm({ ...form, ...part });
  return (
    <FormDialog
      open
      onOpenChange={onClose}
      title={campaign === undefined ? "Add a campaign" : `Change ${campaign.name}`}
      description={
        campaign === undefined
          ? "Its word never changes: programs name it by that."
          : `Its word stays “${campaign.word}”.`
      }
      act={campaign === undefined ? "Add" : "Save"}
      pending={save.isPending}
      error={errors.general}
      disabled={form.name.trim() === "" || form.word.trim() === ""}
      onSubmit={() => save.mutate(read(form), { onSuccess: onClose })}
    >
      <TextField
        name="Name"
        error={errors.of("name")}
        value={form.name}
        onChange={(name) => set({ name })}
      />
      {campaign === undefined && (
        <TextField
          name="Word"
          text="1 to 64 of a-z, 0-9, - and _, for example spring-sale."
          error={errors.of("word")}
          maxLength={64}
          spellCheck={false}
          autoCapitalize="none"
          className="font-mono text-xs"
          value={form.word}
          onChange={(word) => set({ word: word.toLowerCase() })}
        />
      )}
      <AreaField
        name="What it is about"
        error={errors.of("description")}
        value={form.description}
        onChange={(description) => set({ description })}
      />
      <AreaField
        name="Numbers"
        text="One a line, with + and the country’s code. Calls to them belong to it."
        error={errors.of("numbers")}
        inputMode="tel"
        maxLength={20_000}
        className="tabular-nums"
        value={form.numbers}
        onChange={(numbers) => set({ numbers })}
      />
      <label className="flex items-center gap-3">
        <Switch checked={form.active} onCheckedChange={(active) => set({ active })} />
        New calls are put into it by their number
      </label>
    </FormDialog>
  );
}
