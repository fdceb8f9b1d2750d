import type { LucideIcon } from "lucide-react";
import type { ReactNode } from "react";
import { Card } from "@/components/page";
import { Notice } from "@/components/ui/notice";

interface Props {
  icon: LucideIcon;
  title: string;
  text: string;
  children?: ReactNode;
}

/** Stands where a table would, while there is nothing in it. */
export function Empty(props: Props) {
  return (
    <Card>
      <Notice {...props} />
    </Card>
  );
}
