"""The CDK app: `cdk synth` runs it, as cdk.json says."""

import aws_cdk as cdk

from infra.storage import Storage

if __name__ == "__main__":
    app = cdk.App()
    Storage(app, "CrossSessionStorage")
    app.synth()
