import { RefreshCw } from "lucide-react";
import { Component, type ReactNode } from "react";
import { Button } from "@/components/ui/button";
import { Notice } from "@/components/ui/notice";

interface Props {
  children: ReactNode;
}

/** Catches what a page throws: a part of it that is not served any more, or a mistake of ours. */
export class Boundary extends Component<Props, { error?: unknown }> {
  override state: { error?: unknown } = {};

  static getDerivedStateFromError(error: unknown): { error: unknown } {
    return { error };
  }

  override render(): ReactNode {
    if (this.state.error === undefined) return this.props.children;
    return (
      <Notice
        icon={RefreshCw}
        title="This page could not be shown"
        text="The server may have been renewed meanwhile. Loading the page again usually helps."
      >
        <Button onClick={() => location.reload()}>Load again</Button>
      </Notice>
    );
  }
}
