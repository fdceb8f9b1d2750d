import { Phone, Plus } from "lucide-react";
import { useState } from "react";
import { useBranches, usePhoneNumbers, useRemoveNumber, useSaveNumber } from "@/api/branches";
import { Empty } from "@/components/empty";
import { StackedField } from "@/components/form";
import { FormDialog } from "@/components/form-dialog";
import { Card, Section } from "@/components/page";
import { Removal, RowActs } from "@/components/row-acts";
import { Loaded } from "@/components/states";
import { TextField } from "@/components/text-field";
import { Button } from "@/components/ui/button";
import { Select } from "@/components/ui/select";
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
import type { PhoneNumber } from "@/wire/PhoneNumber";

/** The numbers by which calls are found to be the tenant's. */
export function Numbers() {
  const numbers = usePhoneNumbers();
  const branches = useBranches().data ?? [];
  const remove = useRemoveNumber();
  const [edited, setEdited] = useState<PhoneNumber | "new">();
  const [removed, setRemoved] = useState<PhoneNumber>();
  const add = (
    <Button onClick={() => setEdited("new")}>
      <Plus aria-hidden />
      Add a number
    </Button>
  );
  return (
    <Section
      title="Phone numbers"
      text="A call to one of these is yours, and its branch’s, whoever carries it."
      acts={add}
    >
      <Loaded query={numbers} what="The numbers">
        {(items) =>
          items.length === 0 ? (
            <Empty
              icon={Phone}
              title="No numbers"
              text="Calls are found to be yours by their connection or room alone."
            >
              {add}
            </Empty>
          ) : (
            <NumberTable
              items={items}
              branches={branches}
              onEdit={setEdited}
              onRemove={setRemoved}
            />
          )
        }
      </Loaded>
      {edited !== undefined && (
        <NumberForm
          number={edited === "new" ? undefined : edited}
          branches={branches}
          onClose={() => setEdited(undefined)}
        />
      )}
      <Removal
        id={removed?.id}
        title={`Remove ${removed?.number ?? "the number"}?`}
        text="New calls to it are no longer found to be yours by it. Past calls stay as they are."
        remove={remove}
        onClose={() => setRemoved(undefined)}
      />
    </Section>
  );
}

interface TableProps {
  items: readonly PhoneNumber[];
  branches: readonly Branch[];
  onEdit: (number: PhoneNumber) => void;
  onRemove: (number: PhoneNumber) => void;
}

function NumberTable({ items, branches, onEdit, onRemove }: TableProps) {
  const names = new Map(branches.map(({ id, name }) => [id, name]));
  return (
    <Card>
      <Table aria-label="Phone numbers">
        <TableHead>
          <TableRow>
            <TableHeader>Number</TableHeader>
            <TableHeader>What it is for</TableHeader>
            <TableHeader>Branch</TableHeader>
            <TableHeader>
              <span className="sr-only">Acts</span>
            </TableHeader>
          </TableRow>
        </TableHead>
        <TableBody>
          {items.map((each) => (
            <TableRow key={each.id}>
              <TableCell className="font-medium tabular-nums">{each.number}</TableCell>
              <TableCell className="text-ink-soft">{each.label ?? ""}</TableCell>
              <TableCell className="text-ink-soft">
                {each.branchId === undefined ? "None" : (names.get(each.branchId) ?? "")}
              </TableCell>
              <TableCell>
                <RowActs
                  of={each.number}
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
  number: PhoneNumber | undefined;
  branches: readonly Branch[];
  onClose: () => void;
}

function NumberForm({ number: known, branches, onClose }: FormProps) {
  const save = useSaveNumber(known?.id);
  const [number, setNumber] = useState(known?.number ?? "");
  const [label, setLabel] = useState(known?.label ?? "");
  const [branchId, setBranchId] = useState<string>(known?.branchId ?? "");
  const errors = formErrors(save.error, ["number", "label", "branchId"]);
  return (
    <FormDialog
      open
      onOpenChange={onClose}
      title={known === undefined ? "Add a number" : `Change ${known.number}`}
      description="A number belongs to one client only."
      act={known === undefined ? "Add" : "Save"}
      pending={save.isPending}
      error={errors.general}
      disabled={number.trim() === ""}
      onSubmit={() =>
        save.mutate(
          { number: number.trim(), label: label.trim() || null, branchId: branchId || null },
          { onSuccess: onClose },
        )
      }
    >
      {known === undefined && (
        <TextField
          name="Number"
          text="With + and the country’s code, for example +493012345678."
          error={errors.of("number")}
          type="tel"
          maxLength={32}
          value={number}
          onChange={setNumber}
        />
      )}
      <TextField
        name="What it is for"
        error={errors.of("label")}
        value={label}
        onChange={setLabel}
      />
      <StackedField name="Branch" error={errors.of("branchId")}>
        {(props) => (
          <Select
            {...props}
            value={branchId}
            options={[["", "None"], ...branches.map(({ id, name }) => [id, name] as const)]}
            onChange={setBranchId}
          />
        )}
      </StackedField>
    </FormDialog>
  );
}
