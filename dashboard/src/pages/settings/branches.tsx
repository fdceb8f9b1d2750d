import { Building2, Plus } from "lucide-react";
import { useId, useState } from "react";
import { useBranches, useRemoveBranch, useSaveBranch } from "@/api/branches";
import { Empty } from "@/components/empty";
import { FormDialog } from "@/components/form-dialog";
import { Card, Section } from "@/components/page";
import { Removal, RowActs } from "@/components/row-acts";
import { Loaded } from "@/components/states";
import { TextField } from "@/components/text-field";
import { Button } from "@/components/ui/button";
import {
  Table,
  TableBody,
  TableCell,
  TableHead,
  TableHeader,
  TableRow,
} from "@/components/ui/table";
import { formErrors } from "@/lib/form";
import type { Branch } from "@/wire/Branch";

/** The parts of a tenant. */
export function Branches() {
  const branches = useBranches();
  const remove = useRemoveBranch();
  const [edited, setEdited] = useState<Branch | "new">();
  const [removed, setRemoved] = useState<Branch>();
  const add = (
    <Button onClick={() => setEdited("new")}>
      <Plus aria-hidden />
      Add a branch
    </Button>
  );
  return (
    <Section
      title="Branches"
      text="Shops, offices or teams. A call belongs to the branch whose number was called."
      acts={add}
    >
      <Loaded query={branches} what="The branches">
        {(items) =>
          items.length === 0 ? (
            <Empty
              icon={Building2}
              title="No branches"
              text="Without them, all calls are shown and counted together."
            >
              {add}
            </Empty>
          ) : (
            <BranchTable items={items} onEdit={setEdited} onRemove={setRemoved} />
          )
        }
      </Loaded>
      {edited !== undefined && (
        <BranchForm
          branch={edited === "new" ? undefined : edited}
          onClose={() => setEdited(undefined)}
        />
      )}
      <Removal
        id={removed?.id}
        title={`Remove ${removed?.name ?? "the branch"}?`}
        text="Its past calls stay, without a branch. Numbers that belong to it must be given to another one first."
        remove={remove}
        onClose={() => setRemoved(undefined)}
      />
    </Section>
  );
}

interface TableProps {
  items: readonly Branch[];
  onEdit: (branch: Branch) => void;
  onRemove: (branch: Branch) => void;
}

function BranchTable({ items, onEdit, onRemove }: TableProps) {
  return (
    <Card>
      <Table aria-label="Branches">
        <TableHead>
          <TableRow>
            <TableHeader>Name</TableHeader>
            <TableHeader>Time zone</TableHeader>
            <TableHeader className="text-right">Active calls</TableHeader>
            <TableHeader>
              <span className="sr-only">Acts</span>
            </TableHeader>
          </TableRow>
        </TableHead>
        <TableBody>
          {items.map((branch) => (
            <TableRow key={branch.id}>
              <TableCell className="font-medium">{branch.name}</TableCell>
              <TableCell className="text-ink-soft">{branch.timezone ?? "Not said"}</TableCell>
              <TableCell className="text-right tabular-nums">{branch.activeCalls}</TableCell>
              <TableCell>
                <RowActs
                  of={branch.name}
                  onEdit={() => onEdit(branch)}
                  onRemove={() => onRemove(branch)}
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
  branch: Branch | undefined;
  onClose: () => void;
}

function BranchForm({ branch, onClose }: FormProps) {
  const save = useSaveBranch(branch?.id);
  const [name, setName] = useState(branch?.name ?? "");
  const [timezone, setTimezone] = useState(branch?.timezone ?? "");
  const zones = useId();
  const errors = formErrors(save.error, ["name", "timezone"]);
  return (
    <FormDialog
      open
      onOpenChange={onClose}
      title={branch === undefined ? "Add a branch" : `Change ${branch.name}`}
      description="Numbers are given to it afterwards."
      act={branch === undefined ? "Add" : "Save"}
      pending={save.isPending}
      error={errors.general}
      disabled={name.trim() === ""}
      onSubmit={() =>
        save.mutate(
          { name: name.trim(), timezone: timezone.trim() || null },
          { onSuccess: onClose },
        )
      }
    >
      <TextField name="Name" error={errors.of("name")} value={name} onChange={setName} />
      <TextField
        name="Time zone"
        text="Where it is, for example Europe/Berlin. May be left empty."
        error={errors.of("timezone")}
        list={zones}
        maxLength={64}
        value={timezone}
        onChange={setTimezone}
      />
      <datalist id={zones}>
        {Intl.supportedValuesOf("timeZone").map((zone) => (
          <option key={zone} value={zone} />
        ))}
      </datalist>
    </FormDialog>
  );
}
